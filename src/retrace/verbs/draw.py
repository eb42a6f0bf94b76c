"""Draw one paper: its study's figures and the strip of its claims."""

from __future__ import annotations

import importlib
from pathlib import Path

from retrace.claims.sealed import read_verdict
from retrace.errors import RetraceError
from retrace.jobs import DrawJob
from retrace.plot.claimstrip import claim_strip
from retrace.plot.style import save
from retrace.verbs.judge import evidence_rows


def run(job: DrawJob, root: Path) -> None:
    """Save every figure that the job names as SVG and PNG; RetraceError when the study draws another set."""
    verdicts = read_verdict(root / job.verdict)
    study = f"retrace.studies.{job.study}"
    tabled = importlib.import_module(f"{study}.table").table(evidence_rows(job, root))
    figures = importlib.import_module(f"{study}.figures.draw").draw(job.paper, tabled, verdicts)
    figures["claims"] = claim_strip(verdicts)
    names = {entry["name"] for entry in job.figures}
    if set(figures) != names:
        raise RetraceError(
            f"{study}.figures.draw gave {sorted(figures)} for {job.paper}; the study declares {sorted(names)}"
        )
    folder = (root / job.out[0]).parent
    for name, figure in figures.items():
        save(figure, folder / name)
