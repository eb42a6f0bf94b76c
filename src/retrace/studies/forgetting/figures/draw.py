"""The forgetting study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.studies.forgetting.figures.members import members
from retrace.studies.forgetting.figures.order_of_loss import order_of_loss
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[None], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The figures by name, from the study's table."""
    return {"order_of_loss": order_of_loss(tabled.frame), "members": members(tabled.frame)}
