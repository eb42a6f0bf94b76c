"""The backdoor study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.studies.backdoor.figures.overlap import shared
from retrace.studies.backdoor.figures.plane import success_cost
from retrace.studies.backdoor.figures.rebound import over_steps
from retrace.studies.backdoor.figures.sanity import by_blocks
from retrace.studies.backdoor.figures.variants import by_share_and_number
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[None], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table."""
    table = tabled.frame
    return {
        "plane": success_cost(table),
        "sanity": by_blocks(table),
        "variants": by_share_and_number(table),
        "overlap": shared(table),
        "rebound": over_steps(table),
    }
