"""`retrace audit-model`: from files to a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retrace.auditing.audit import audit_model
from retrace.auditing.page import page, text
from retrace.auditing.saved import read_answers
from retrace.errors import RetraceError
from retrace.files import write_atomic


def run(
    data: Path,
    out: Path,
    *,
    model: Path | None = None,
    references: Sequence[Path] = (),
    level: float = 0.95,
    delta: float = 1e-5,
) -> str:
    """Audit the model of these files, write the page `out` and return the table for the terminal.

    RetraceError, one line, for files that do not do, and where `out` is there: nothing is overwritten.
    """
    if out.exists():
        raise RetraceError(f"{out}: is there already; name another file with --out")
    found = audit_model(read_answers(data, model, references), level=level, delta=delta)
    write_atomic(out, page(found, f"Membership audit of {(model or data).name}").encode())
    return f"{text(found)}\n\nwritten: {out}"
