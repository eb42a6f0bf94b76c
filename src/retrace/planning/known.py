"""What planning found out before and need not find out again: digests of code, evidence that was whole.

Kept in `.snakemake/known.json`; removing that file costs a few seconds. What is trusted:

- A module's code digest holds while every source file of the package has the same bytes.
- Evidence found whole stays whole while its size and times do. The change time (ctime) is set by the
  kernel alone: a file written again under its old modification time is noticed, too. Bits that decay on the
  disk without a write are not; the job that reads them finds them, since it checks the seal and digests of
  all it reads, and sets the file aside.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from retrace.errors import RetraceError
from retrace.files import write_atomic
from retrace.recipe import PACKAGE, SOURCE, canonical, code_digest, digest, file_digest

PLACE = ".snakemake/known.json"
SETTLED = 2.0  # seconds: a file that changed less long ago could change again within one tick of its clock


class Known:
    """Digests of code and states of whole evidence files, from the last planning and from this one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        stored = _stored(root / PLACE)
        self._source = _source_digest()
        self._codes: dict[str, str] = stored["codes"] if stored.get("source") == self._source else {}
        self._whole: dict[str, list[int]] = stored.get("whole", {})
        self._kept = len(self._codes), dict(self._whole)

    def code(self, module: str) -> str:
        """`code_digest` of a module."""
        if module not in self._codes:
            self._codes[module] = code_digest(module, SOURCE)
        return self._codes[module]

    def is_whole(self, paths: Sequence[str]) -> bool:
        """Whether all these files (relative to the root) are as they were when last found whole."""
        return all(path in self._whole and _state(self._root / path) == self._whole[path] for path in paths)

    def found_whole(self, paths: Sequence[str], before: float) -> None:
        """Note that these files are whole; `before` is when the check began (seconds since the epoch)."""
        for path in paths:
            state = _state(self._root / path)
            if state and max(state[1:]) / 1e9 < before - SETTLED:
                self._whole[path] = state

    def save(self) -> None:
        """Keep what is new for the next planning; where nothing may be written, that plans without."""
        if (len(self._codes), self._whole) == self._kept or self._source != _source_digest():
            return
        whole = {path: state for path, state in self._whole.items() if (self._root / path).exists()}
        body = {"source": self._source, "codes": self._codes, "whole": whole}
        with suppress(RetraceError):
            write_atomic(self._root / PLACE, canonical({**body, "seal": digest(body)}).encode())


def _stored(path: Path) -> dict[str, Any]:
    """What the file holds; nothing when it is absent or anyone else wrote it."""
    try:
        body = json.loads(path.read_bytes())
        seal = body.pop("seal")
        return body if seal == digest(body) else {}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def _source_digest() -> str:
    files = sorted((SOURCE / PACKAGE).rglob("*.py"))
    digests = {path.relative_to(SOURCE).as_posix(): file_digest(path) for path in files}
    return digest([sys.version, digests])


def _state(path: Path) -> list[int]:
    """Size, modification and change time (ns); empty for what is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]
