"""What a rehearsal of a cell is told and leaves, and the table of all cells."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retrace.config import Config
from retrace.files import write_atomic
from retrace.rehearsal.plan import HOME, Rehearsal

COLUMNS = (
    "scale",
    "study",
    "cell",
    "outcome",
    "size",
    "device",
    "stages",
    "seconds",
    "cpu_seconds",
    "host_gb",
    "device_gb",
    "needs_gb",
    "has_gb",
    "line",
    "narrowed",
)


def write_spec(rehearsal: Rehearsal, config: Config) -> str:
    """The text (JSON, one line) that the job of a cell is started with."""
    told = {"study": rehearsal.study, "cell": rehearsal.cell, "key": rehearsal.key}
    return json.dumps({**told, "config": config.model_dump(mode="json")}, sort_keys=True)


def read_spec(text: str) -> tuple[Config, str, str, str]:
    """Configuration, study, cell and key of a text that `write_spec` wrote."""
    told = json.loads(text)
    return Config.model_validate(told["config"]), told["study"], told["cell"], told["key"]


def write_record(record: Any, rehearsal: Rehearsal, root: Path) -> None:
    """Write a cell's record to its place; one of a failure that is mended goes."""
    text = json.dumps(asdict(record), indent=1, allow_nan=False)
    write_atomic(root / (rehearsal.record if record.good else rehearsal.failed), text.encode())
    if record.good:
        (root / rehearsal.failed).unlink(missing_ok=True)


def read_records(rehearsals: Iterable[Rehearsal], root: Path) -> list[dict[str, Any]]:
    """A row of the table for each cell, in the order of the sheets; `not run` where nothing was left."""
    return [_row(rehearsal, root) for rehearsal in rehearsals]


def _row(rehearsal: Rehearsal, root: Path) -> dict[str, Any]:
    for path in (root / rehearsal.record, root / rehearsal.failed):
        if path.is_file():
            found = json.loads(path.read_bytes())
            stages = found.pop("stages")
            cut = "; ".join(f"{place} {change}" for place, change in found.pop("narrowed").items())
            return {
                **found,
                "narrowed": cut,
                "stages": len(stages),
                **{name: round(sum(s[name] for s in stages), 1) for name in ("seconds", "cpu_seconds")},
                **{name: max((s[name] for s in stages), default=0) for name in ("host_gb", "device_gb")},
            }
    return {
        **dict.fromkeys(COLUMNS, ""),
        "scale": rehearsal.scale,
        "study": rehearsal.study,
        "cell": rehearsal.cell,
        "outcome": "not run",
    }


def write_table(rows: Sequence[dict[str, Any]], scale: str, root: Path) -> Path:
    """Write the rows as CSV to `HOME`; the path."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "needs_gb": "" if row["needs_gb"] is None else row["needs_gb"]} for row in rows)
    path = root / HOME / f"{scale}.csv"
    write_atomic(path, text.getvalue().encode())
    return path


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as text for the terminal, with what went wrong or was too big."""
    lines = [f"{'study':14}{'cell':22}{'outcome':14}{'size':8}{'device':7}{'s':>7}{'GB':>6}"]
    for row in rows:
        names = f"{row['study']:14}{row['cell']:22}{row['outcome']:14}{row['size']:8}{row['device']:7}"
        most = max(row["host_gb"] or 0, row["device_gb"] or 0)
        lines.append(f"{names}{row['seconds']:>7}{most:>6.1f}  {_words(row)}".rstrip())
    counts = Counter(str(row["outcome"]) for row in rows)
    return "\n".join([*lines, ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))])


def _words(row: dict[str, Any]) -> str:
    """What went wrong, or what the whole would take."""
    big = f"the whole takes {row['needs_gb']} GB, here are {row['has_gb']}" if row["needs_gb"] else ""
    return str(row["line"] or big)
