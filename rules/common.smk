# Discovery of studies and their plan. No science, no rules.
import gc
import sys
from functools import cache
from inspect import signature
from pathlib import Path

from snakemake.cli import get_argument_parser
from snakemake.common import overwrite_function_params
from snakemake.resources import Resource

from retrace.errors import RetraceError
from retrace.planning.orders import Orders

# Planning builds millions of small objects that all stay: looking for cycles among them takes a seventh of its time
gc.set_threshold(200_000, 20, 100)

# Snakemake sets the targets after it has read the rules; a misspelt one deserves a better line than its own
ARGUMENTS = get_argument_parser().parse_known_args()[0]


def plan_of_run(root):
    """The plan; in a process that Snakemake starts for jobs elsewhere, what was planned of them."""
    keys = [job.wildcards_dict.get("key", "") for job in ARGUMENTS.target_jobs]
    orders = Orders.read(keys, config, root)
    if orders:
        return orders
    from retrace.planning.workflow import Workflow

    targets = ARGUMENTS.targets if workflow.is_main_process else []
    return Workflow.load(dict(config), root, targets)


try:
    # not workflow.basedir, which is workflow/ with the catalog's Snakefile; jobs work in this folder as well
    FLOW = plan_of_run(Path.cwd())
except RetraceError as error:
    sys.exit(f"retrace: {error}")


wildcard_constraints:
    group=r"[a-z0-9][a-z0-9._+-]*",
    seed=r"s\d+|all",
    key=r"[0-9a-f]{12}",


@cache
def whole():
    """Whether to list all inputs, not only what is left to do: jobs are wanted again, a graph is to be seen
    (then nothing executes it), or batches must find the same inputs each time.
    """
    settings = run_settings()
    forced = settings.forceall or settings.forcerun or settings.forcetargets
    return bool(forced or settings.batch or workflow.executor_plugin is None)


def task_inputs(wildcards):
    return [ancient(path) for path in FLOW.task_inputs(wildcards.key, whole())]


def task_spec(wildcards):
    return FLOW.task_spec(wildcards.key) if COMMAND else ""


def task_priority(wildcards):
    # the longest chain of jobs first, so that no core idles at the end
    return FLOW.expected.chains[wildcards.key]


def task_minutes(wildcards, attempt):
    return FLOW.expected.minutes(wildcards.key, attempt)


def task_megabytes(wildcards, attempt):
    return FLOW.expected.megabytes(wildcards.key, attempt)


def product_inputs(wildcards):
    # not ancient: evidence made again has new costs, and products take seconds
    return FLOW.product_inputs(wildcards.key, whole())


def product_spec(wildcards):
    return FLOW.product_spec(wildcards.key) if COMMAND else ""


def target_inputs(name):
    def inputs(wildcards):
        return FLOW.target(name, whole())

    return inputs


# Snakemake puts each job's command together three times to log it. A dry run prints none unless told to
unseen = ARGUMENTS.dryrun and not workflow.output_settings.printshellcmds
COMMAND = "" if unseen else "python -m retrace.job <<< {params.spec:q} > {log} 2>&1"

# Snakemake asks for their parameters ten times a job, and would inspect them each time
ASKED = [
    task_inputs,
    task_spec,
    task_priority,
    task_minutes,
    task_megabytes,
    product_inputs,
    product_spec,
]
if hasattr(Resource, "evaluate"):
    ASKED.append(Resource.evaluate)
for FUNCTION in ASKED:
    overwrite_function_params(FUNCTION, signature(FUNCTION).parameters)
