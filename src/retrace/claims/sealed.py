"""Verdict files, sealed like evidence: what was judged is what is read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from retrace.claims.record import PaperVerdict
from retrace.errors import RetraceError
from retrace.files import write_atomic
from retrace.recipe import digest


def write_verdict(path: Path, verdict: PaperVerdict) -> None:
    """Write one paper's verdict with its seal, whole or not at all."""
    plain = verdict.model_dump(by_alias=True)
    write_atomic(path, (json.dumps({**plain, "seal": digest(plain)}, indent=1) + "\n").encode())


def read_verdict(path: Path) -> PaperVerdict:
    """One verdict file; RetraceError with the path when its seal does not fit or it is no verdict."""
    try:
        plain = json.loads(path.read_bytes())
        if plain.pop("seal") == digest(plain):
            return PaperVerdict.model_validate(plain)
    except (ValueError, KeyError, AttributeError, TypeError):
        pass
    raise RetraceError(f"{path}: damaged or edited; delete it and rerun")


def read_verdicts(paths: Iterable[Path]) -> list[PaperVerdict]:
    """The verdict files that exist, in the order given; errors as `read_verdict`."""
    return [read_verdict(path) for path in paths if path.is_file()]
