# Jobs that a cluster starts. No rules.
from retrace.planning import slurm
from retrace.planning.orders import leave_orders


def prepare_jobs_elsewhere():
    """For jobs that a cluster starts: what their own Snakemake needs of the plan, and a look at the cluster."""
    if workflow.local_exec:
        return
    stages = {f"{study}_{verb}_job" for study, verb in FLOW.stages}
    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name in stages]
    keys = [job.wildcards.key for job in jobs]
    if workflow.executor_plugin.cli_prefix == "slurm":
        try:
            look_at_slurm(jobs, keys)
        except RetraceError as error:
            sys.exit(f"retrace: {error}")
    leave_orders(FLOW, keys, config, whole(), STORED)


def look_at_slurm(jobs, keys):
    asked = {job.rule.name: job.resources.get("slurm_partition") for job in jobs}
    slurm.check_partitions(str(name) for name in asked.values() if name)
    slurm.refuse_others(Path.cwd(), keys)
    settings = workflow.executor_settings
    settings.status_command = slurm.status_command(
        slurm.settings(), settings.status_command
    )
