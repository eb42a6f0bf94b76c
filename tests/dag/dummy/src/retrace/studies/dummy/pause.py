"""Slow every stage down on demand: the environment is not in the key, so the key does not change."""

from __future__ import annotations

import os
import time


def pause() -> None:
    """Sleep for RETRACE_DUMMY_PAUSE seconds (default none)."""
    time.sleep(float(os.environ.get("RETRACE_DUMMY_PAUSE", "0")))
