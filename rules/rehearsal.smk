# What a rehearsal asks for, planned only when it is asked for. No rules.
from functools import cache

from retrace.rehearsal.plan import plan_rehearsal
from retrace.rehearsal.record import read_records, table, write_spec, write_table


@cache
def rehearsals():
    try:
        return {found.record: found for found in plan_rehearsal(FLOW.config, FLOW.root)}
    except RetraceError as error:
        sys.exit(f"retrace: {error}")


def rehearsal_spec(wildcards, output):
    return write_spec(rehearsals()[output[0]], FLOW.config)


def print_rehearsal():
    if "rehearse" in TARGETS:
        rows = read_records(rehearsals().values(), FLOW.root)
        print(table(rows), file=sys.stderr)
        path = write_table(rows, FLOW.config.scale, FLOW.root)
        print(f"also in {path.relative_to(FLOW.root)}", file=sys.stderr)


REHEARSE = COMMAND.replace("retrace.job", "retrace.rehearsal")

# one cell at a time holds the accelerator, wherever there may be one
ACCELERATED = FLOW.config.device != "cpu" and not (workflow.local_exec and FLOW.on_cpus)
