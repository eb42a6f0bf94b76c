"""The dummy study's figure."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.studies.dummy.figures.error_by_noise import error_by_noise
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[None], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table."""
    return {"error_by_noise": error_by_noise(tabled.frame)}
