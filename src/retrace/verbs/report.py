"""Write the report page and the table of all verdicts."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from retrace.claims.sealed import read_verdicts
from retrace.claims.table import CSV_COLUMNS, csv_rows
from retrace.files import write_atomic
from retrace.report.html import render
from retrace.verbs.judge import environment, total_cost


def run(spec: dict[str, Any], root: Path) -> None:
    """Write the two files of `spec["out"]` (HTML, CSV) from the verdicts and figures the spec names."""
    verdicts = read_verdicts(root / path for path in spec["verdicts"])
    figures = {
        record["paper"]: _figures(record, spec["figures"][record["paper"]], root) for record in verdicts
    }
    # papers of one study share jobs: each counts once
    meters = {path: record for verdict in verdicts for path, record in verdict["meters"].items()}
    context = {
        "scale": spec["scale"],
        "environment": environment(verdicts),
        "commands": _commands(verdicts, spec["scale"]),
        "cost": total_cost(meters.values()),
        "cpu_watts": _watts(meters, "cpu_watts"),
        "ram_watts": _watts(meters, "ram_watts"),
    }
    page = render(verdicts, figures, context)
    table = io.StringIO()
    writer = csv.DictWriter(table, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(csv_rows(verdicts))
    html, rows = (root / path for path in spec["out"])
    write_atomic(html, page.encode())
    write_atomic(rows, table.getvalue().encode())


def _figures(record: dict[str, Any], paths: list[str], root: Path) -> list[dict[str, Any]]:
    svg = {Path(path).stem: root / path for path in paths if path.endswith(".svg")}
    return [{**figure, "svg_path": svg.get(figure["name"], figure["name"])} for figure in record["figures"]]


def _watts(meters: dict[str, Any], name: str) -> float | str:
    """The assumed power that the evidence was made with; several values are all named."""
    found = sorted({record[name] for record in meters.values() if record[name] is not None})
    return found[0] if len(found) == 1 else ", ".join(f"{value:g}" for value in found)


def _commands(verdicts: list[dict[str, Any]], scale: str) -> list[str]:
    option = "" if scale == "laptop" else f" --config scale={scale}"
    return [
        f"snakemake --cores all{option}",
        *(f"snakemake {record['paper']}{option}" for record in verdicts),
    ]
