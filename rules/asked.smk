# What rules ask of the plan. No rules.
from functools import cache
from inspect import signature

from snakemake.common import overwrite_function_params
from snakemake.resources import Resource


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


def task_inputs(wildcards):
    if forced() and not ORDERED and FLOW.pending(wildcards.key):
        # Snakemake looks at no job behind `ancient` inputs that are made again, not even for missing files
        return FLOW.all_before(wildcards.key)
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
        return FLOW.targets.files(name, whole())

    return inputs


# Snakemake puts each job's command together three times to log it. A dry run prints none unless told to
SILENT = ARGUMENTS.dryrun and not workflow.output_settings.printshellcmds
COMMAND = "" if SILENT else "python -m retrace.job <<< {params.spec:q} > {log} 2>&1"

# Snakemake asks for their parameters ten times a job, and would inspect them each time
OURS = [
    task_inputs,
    task_spec,
    task_priority,
    task_minutes,
    task_megabytes,
    product_inputs,
    product_spec,
]
THEIRS = [Resource.evaluate] if hasattr(Resource, "evaluate") else []
for FUNCTION in OURS + THEIRS:
    overwrite_function_params(FUNCTION, signature(FUNCTION).parameters)
