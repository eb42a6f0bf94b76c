"""Evidence files: what a stage leaves behind, sealed by a digest of its own.

Blocks: `recipe` (all that went into the key), `results` (deterministic on one device class), `timing`
(parts by the clock), `meter` (seconds, energy, carbon), `environment`, `files` (digests of the NPZ and
scratch beside it), `seal` (digest of all other blocks).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retrace.errors import RetraceError
from retrace.files import read_npz, read_tensors, set_aside, write_atomic
from retrace.recipe import canonical, digest
from retrace.stage import Evidence

SCHEMA = 1
BLOCKS = ("schema", "recipe", "results", "timing", "meter", "environment", "files")


def seal(blocks: dict[str, Any]) -> dict[str, Any]:
    """The record with its seal; ValueError when a block holds NaN or infinity."""
    record = {"schema": SCHEMA, **blocks}
    return {**record, "seal": digest({name: record[name] for name in BLOCKS})}


def write_evidence(path: Path, record: dict[str, Any]) -> None:
    """Write a sealed record atomically, one block a line."""
    lines = ",\n".join(f'"{name}": {canonical(value)}' for name, value in record.items())
    write_atomic(path, f"{{\n{lines}\n}}\n".encode())


def read_record(path: Path) -> dict[str, Any]:
    """The sealed record at `path`.

    Raises RetraceError naming the file when it is missing, cut short, altered, or of another schema.
    """
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RetraceError(f"{path}: missing; rerun to make it again") from None
    except (ValueError, OSError, RecursionError) as error:
        raise RetraceError(f"{path}: damaged, not JSON ({error!s:.60}); rerun to make it again") from None
    if not isinstance(record, dict) or not set(BLOCKS) < set(record):
        raise RetraceError(f"{path}: damaged, blocks are missing; rerun to make it again")
    if record["schema"] != SCHEMA:
        raise RetraceError(f"{path}: schema {record['schema']}, expected {SCHEMA}; rerun to make it again")
    if record.get("seal") != digest({name: record[name] for name in BLOCKS}):
        raise RetraceError(f"{path}: damaged, its seal does not fit its content; rerun to make it again")
    return record


def read_evidence(path: Path, arrays: Path | None = None, scratch: Path | None = None) -> Evidence:
    """Evidence at `path`, with the arrays beside it read (and checked) only when asked for.

    Raises RetraceError as `read_record`; what is damaged is set aside, so that a rerun makes it again.
    """
    try:
        record = read_record(path)
    except RetraceError as error:
        aside = f" (kept as {set_aside(path).name})" if path.exists() else ""
        raise RetraceError(f"{error}{aside}") from None
    files = record["files"]
    return Evidence(
        results=record["results"],
        timing=record["timing"],
        meter=record["meter"],
        read_arrays=lambda: read_npz(arrays, files["arrays"]) if arrays else {},
        read_scratch=lambda: read_tensors(scratch, files["scratch"]) if scratch else {},
    )
