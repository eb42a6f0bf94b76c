# What may start a finished job again: file times, whatever the user's profile says.
import sys
from contextlib import suppress
from functools import cache

from snakemake.settings.enums import RerunTrigger


def run_settings():
    """Snakemake's settings, with file times as the only rerun trigger whatever the user's profile says.

    Any other takes it for a change that a finished task lists no inputs: it would delete the evidence and
    start the job without them. Snakemake asks for inputs before it decides what to run.

    What a killed run's jobs left under their names is whole: they write elsewhere and rename. Snakemake would
    make it again, then look at no job behind it (their inputs are `ancient`), and say that all is done.
    """
    by_time = frozenset({RerunTrigger.MTIME})
    with suppress(AttributeError):  # what a frozen class raises
        workflow.dag_settings.rerun_triggers = by_time
        workflow.dag.ignore_incomplete = True
    if workflow.rerun_triggers != by_time:
        sys.exit(
            "retrace: add --rerun-triggers mtime: this Snakemake does not let the workflow set it"
        )
    return workflow.dag_settings


@cache
def forced():
    """Whether jobs are wanted again."""
    settings = run_settings()
    return bool(settings.forceall or settings.forcerun or settings.forcetargets)


@cache
def whole():
    """Whether to list all inputs, not only what is left to do: jobs are wanted again, a graph is to be seen
    (then nothing executes it), or batches must find the same inputs each time.
    """
    return bool(forced() or run_settings().batch or workflow.executor_plugin is None)
