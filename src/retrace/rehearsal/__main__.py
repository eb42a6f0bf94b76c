"""`python -m retrace.rehearsal <<< SPEC`: rehearse a cell, leave its record; status 1 unless it passed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# before any numerical library loads: one thread a job, as everywhere
os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")})
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

from retrace.errors import RetraceError
from retrace.rehearsal.cell import rehearse
from retrace.rehearsal.plan import plan_cell
from retrace.rehearsal.record import read_spec, write_record


def main(text: str, root: Path) -> int:
    """Rehearse the cell of a text that `record.write_spec` wrote."""
    try:
        config, study, cell, key = read_spec(text)
        rehearsal = plan_cell(config, study, cell, root)
        if rehearsal.key != key:
            raise RetraceError(f"{study} {cell} changed since this run was planned; start the run again")
        found = rehearse(rehearsal, config, root)
        write_record(found, rehearsal, root)
    except RetraceError as error:
        print(f"retrace: {error}", file=sys.stderr)
        return 1
    print(f"retrace: rehearse {study} {cell}: {found.outcome}{f', {found.line}' if found.line else ''}")
    return 0 if found.good else 1


if __name__ == "__main__":
    sys.exit(main(sys.stdin.read(), Path.cwd()))
