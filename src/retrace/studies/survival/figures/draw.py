"""The survival study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.studies.survival.figures.kept import kept
from retrace.studies.survival.figures.networks import networks
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[None], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The figures by name, from the study's table."""
    return {"kept": kept(tabled.frame), "networks": networks(tabled.frame)}
