"""Draw one paper: its study's figures and the strip of its claims."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from retrace.claims.sealed import read_verdict
from retrace.errors import RetraceError
from retrace.plot.claimstrip import claim_strip
from retrace.plot.style import save
from retrace.verbs.judge import evidence_rows


def run(spec: dict[str, Any], root: Path) -> None:
    """Save every figure that the spec names as SVG and PNG; RetraceError when the study draws another set."""
    verdicts = read_verdict(root / spec["verdict"])
    study = f"retrace.studies.{spec['study']}"
    tabled = importlib.import_module(f"{study}.table").table(evidence_rows(spec, root))
    figures = importlib.import_module(f"{study}.figures.draw").draw(spec["paper"], tabled, verdicts)
    figures["claims"] = claim_strip(verdicts)
    names = {entry["name"] for entry in spec["figures"]}
    if set(figures) != names:
        raise RetraceError(
            f"{study}.figures.draw gave {sorted(figures)} for {spec['paper']}; "
            f"the study declares {sorted(names)}"
        )
    folder = (root / spec["out"][0]).parent
    for name, figure in figures.items():
        save(figure, folder / name)
