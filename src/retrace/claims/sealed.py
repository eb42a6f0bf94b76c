"""Verdict files, sealed like evidence: what was judged is what is read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from retrace.errors import RetraceError
from retrace.files import write_atomic
from retrace.recipe import digest


def write_verdict(path: Path, verdict: dict[str, Any]) -> None:
    """Write one paper's verdict with its seal, whole or not at all."""
    sealed = {**verdict, "seal": digest(verdict)}
    write_atomic(path, (json.dumps(sealed, indent=1) + "\n").encode())


def read_verdict(path: Path) -> dict[str, Any]:
    """One verdict file without its seal; RetraceError with the path when they do not fit."""
    try:
        verdict: dict[str, Any] = json.loads(path.read_bytes())
        seal = verdict.pop("seal")
    except (ValueError, KeyError, AttributeError):
        seal, verdict = "", {}
    if seal != digest(verdict):
        raise RetraceError(f"{path}: damaged or edited; delete it and rerun")
    return verdict


def read_verdicts(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The verdict files that exist, in the order given; errors as `read_verdict`."""
    return [read_verdict(path) for path in paths if path.is_file()]
