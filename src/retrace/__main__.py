"""`python -m retrace` is the `retrace` command."""

import sys

from retrace.cli import main

sys.exit(main())
