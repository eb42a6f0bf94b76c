# Discovery of studies and their plan. No science, no rules.
import gc
import sys
from pathlib import Path

from snakemake.cli import get_argument_parser

from retrace.errors import RetraceError
from retrace.planning.orders import Orders, plan_of_run

# Planning builds millions of small objects that all stay: looking for cycles among them takes a seventh of its time
gc.set_threshold(200_000, 20, 100)

# Snakemake sets the targets after it has read the rules; a misspelt one deserves a better line than its own
ARGUMENTS = get_argument_parser().parse_known_args()[0]
TARGETS, UNTIL = [], []
if workflow.is_main_process:
    TARGETS = ARGUMENTS.targets
    UNTIL = [*(ARGUMENTS.until or []), *(ARGUMENTS.omit_from or [])]
KEYS = [job.wildcards_dict.get("key", "") for job in ARGUMENTS.target_jobs]

try:
    # not workflow.basedir, which is workflow/ with the catalog's Snakefile; jobs work in this folder as well
    FLOW = plan_of_run(dict(config), Path.cwd(), [TARGETS, UNTIL], KEYS)
except RetraceError as error:
    sys.exit(f"retrace: {error}")
ORDERED = isinstance(FLOW, Orders)


wildcard_constraints:
    group=r"[a-z0-9][a-z0-9._+-]*",
    seed=r"s\d+|all",
    key=r"[0-9a-f]{12}",
