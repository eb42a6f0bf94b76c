"""Write the report page, the table and the picture of all verdicts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from retrace.claims.cost import total_cost
from retrace.claims.record import PaperVerdict
from retrace.claims.sealed import read_verdicts
from retrace.claims.table import CSV_COLUMNS, csv_rows
from retrace.config import Config
from retrace.files import write_atomic
from retrace.jobs import ReportJob
from retrace.plot.overview import draw
from retrace.plot.style import image
from retrace.report.embed import Picture
from retrace.report.html import STRIP, render
from retrace.report.view import Run
from retrace.verbs.judge import environment


def run(job: ReportJob, root: Path) -> None:
    """Write the files of `job.out` (HTML, CSV, SVG, PNG) from the verdicts and figures the job names."""
    verdicts = read_verdicts(root / path for path in job.verdicts)
    figures = {verdict.paper: _figures(verdict, job.figures[verdict.paper], root) for verdict in verdicts}
    # papers of one study share jobs: each counts once
    meters = {path: meter for verdict in verdicts for path, meter in verdict.meters.items()}.values()
    run = Run(
        scale=job.scale,
        environment=environment(verdict.environment for verdict in verdicts),
        commands=_commands(verdicts, job.options),
        cost=total_cost(meters),
        cpu_watts=_different(meter["cpu_watts"] for meter in meters),
        ram_watts=_different(meter["ram_watts"] for meter in meters),
    )
    page = render(verdicts, figures, run)
    table = io.StringIO()
    writer = csv.DictWriter(table, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(csv_rows(verdicts))
    overview = draw(verdicts)
    contents = {".html": page.encode(), ".csv": table.getvalue().encode()}
    for path in job.out:
        suffix = Path(path).suffix
        write_atomic(root / path, contents.get(suffix) or image(overview, suffix[1:]))


def _figures(verdict: PaperVerdict, paths: list[str], root: Path) -> list[Picture]:
    """The figures of a paper but for its claim strip: the page draws every claim itself."""
    png = {Path(path).stem: root / path for path in paths if path.endswith(".png")}
    return [
        Picture(f.name, f.caption, png.get(f.name, Path(f.name))) for f in verdict.figures if f.name != STRIP
    ]


def _different(watts: Iterable[float | None]) -> tuple[float, ...]:
    """The assumed powers that the evidence was made with."""
    return tuple(sorted({value for value in watts if value is not None}))


def _commands(verdicts: list[PaperVerdict], options: list[str]) -> tuple[str, ...]:
    option = "" if options == Config().options else f" --config {' '.join(options)}"
    return (
        f"snakemake --cores all{option}",
        *(f"snakemake {verdict.paper}{option}" for verdict in verdicts),
    )
