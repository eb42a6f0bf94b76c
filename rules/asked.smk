# What rules ask of the plan. No rules.
from inspect import signature

from snakemake.common import overwrite_function_params
from snakemake.resources import Resource


def task_inputs(wildcards):
    if STORED:
        return [ancient(path) for path in FLOW.all_inputs(wildcards.key)]
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
    if STORED:
        return FLOW.all_inputs(wildcards.key)
    # not ancient: evidence made again has new costs, and products take seconds
    return FLOW.product_inputs(wildcards.key, whole())


def product_spec(wildcards):
    return FLOW.product_spec(wildcards.key) if COMMAND else ""


def target_inputs(name):
    def inputs(wildcards):
        files = FLOW.targets.files(name, whole())
        # copies for people are made here, whatever a storage provider keeps
        return [local(f) if f.startswith("results/published/") else f for f in files]

    return inputs


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
