# Discovery of studies and their plan. No science, no rules.
import gc
import sys
from inspect import signature
from pathlib import Path

from snakemake.cli import get_argument_parser

from retrace.errors import RetraceError
from retrace.planning.workflow import Workflow

# Planning builds millions of small objects that all stay: looking for cycles among them takes a seventh of its time
gc.set_threshold(200_000, 20, 100)

# Snakemake sets the targets after it has read the rules; a misspelt one deserves a better line than its own
ASKED = get_argument_parser().parse_known_args()[0]
TARGETS, UNTIL = [], []
if workflow.is_main_process:
    TARGETS = ASKED.targets
    UNTIL = [*(ASKED.until or []), *(ASKED.omit_from or [])]

try:
    # not workflow.basedir, which is workflow/ with the catalog's Snakefile; jobs work in this folder as well
    FLOW = Workflow.load(dict(config), Path.cwd(), TARGETS, UNTIL)
except RetraceError as error:
    sys.exit(f"retrace: {error}")


wildcard_constraints:
    group=r"[a-z0-9][a-z0-9._+-]*",
    seed=r"s\d+|all",
    key=r"[0-9a-f]{12}",


def task_inputs(wildcards):
    settings = run_settings()
    forced = bool(settings.forceall or settings.forcerun or settings.forcetargets)
    return [ancient(path) for path in FLOW.task_inputs(wildcards.key, forced)]


def task_spec(wildcards):
    return FLOW.task_spec(wildcards.key)


def product_inputs(wildcards):
    run_settings()
    # not ancient: evidence made again has new costs, and products take seconds
    return list(FLOW.product(wildcards.key).inputs)


def product_spec(wildcards):
    return FLOW.product_spec(wildcards.key)


# Snakemake asks for their signatures ten times a job: with these at hand, a large plan takes a twentieth less
for FUNCTION in (task_inputs, task_spec, product_inputs, product_spec):
    FUNCTION.__signature__ = signature(FUNCTION)
