# Discovery of studies and their plan. No science, no rules.
import sys
from pathlib import Path

from retrace.errors import RetraceError
from retrace.workflow import Workflow

try:
    FLOW = Workflow.load(
        dict(config),
        root=Path(workflow.basedir),
        targets=list(workflow.dag_settings.targets) if workflow.dag_settings else [],
        dry_run=workflow.dryrun,
    )
except RetraceError as error:
    sys.exit(f"retrace: {error}")


wildcard_constraints:
    group=r"[a-z0-9][a-z0-9.+-]*",
    seed=r"s\d+|all",
    key=r"[0-9a-f]{12}",


def task_inputs(wildcards):
    return [ancient(path) for path in FLOW.task(wildcards.key).inputs]


def task_spec(wildcards):
    return FLOW.task_spec(wildcards.key)


def product_inputs(wildcards):
    return [ancient(path) for path in FLOW.product(wildcards.key).inputs]


def product_spec(wildcards):
    return FLOW.product_spec(wildcards.key)


def print_verdicts():
    print(FLOW.verdict_table(), file=sys.stderr)
