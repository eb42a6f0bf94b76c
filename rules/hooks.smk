# Before the first job and after the last. No rules.
import atexit

from retrace.warm.host import Host


def refuse_unfit_machine():
    if "rehearse" in TARGETS and STORED:
        sys.exit(
            "retrace: rehearse leaves its records on this disk; leave out --default-storage-provider"
        )
    if TARGETS == ["rehearse"]:
        return
    try:
        FLOW.check_machine(here=workflow.local_exec)
    except RetraceError as error:
        sys.exit(f"retrace: {error}")


def lift_default_rate_limit(workflow):
    """Snakemake 9.27 looks for free slots once a second for every job that has ended so far: its default limit
    of 100 jobs a second, which no run meets (to send a job takes more than 10 ms), costs a whole core after a
    hundred jobs.
    """
    scheduler = getattr(workflow, "scheduler", None)
    limit = getattr(scheduler, "job_rate_limiter", None)
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        scheduler.job_rate_limiter = None


WARM = Host()


def start_jobs_at_once():
    """Only where Snakemake itself starts the jobs, and never where one may use an accelerator."""
    here = workflow.is_main_process and workflow.local_exec
    if here and not workflow.deployment_settings.deployment_method and FLOW.on_cpus:
        WARM.start()


def print_expected():
    """The last lines of a dry run: what its stages will take."""
    if not workflow.dryrun:
        return
    keys = [
        getattr(job.wildcards, "key", "")
        for job in workflow.dag.needrun_jobs(exclude_finished=False)
    ]
    sys.stdout.flush()
    for line in FLOW.expected_lines(keys):
        print(f"retrace: {line}", file=sys.stderr)


# Snakemake has no hook after a dry run
if workflow.is_main_process:
    atexit.register(print_expected)


def print_verdicts():
    if TARGETS != ["rehearse"]:
        papers = FLOW.targets.papers(TARGETS)
        print(FLOW.verdict_table(papers, published=STORED), file=sys.stderr)
