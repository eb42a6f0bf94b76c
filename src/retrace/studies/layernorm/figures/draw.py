"""The layernorm study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.studies.layernorm.figures.curves import curves
from retrace.studies.layernorm.figures.gradients import gradients
from retrace.studies.layernorm.figures.matched import matched
from retrace.studies.layernorm.figures.outcomes import outcomes
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[None], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table."""
    table = tabled.frame
    epochs, norms = (table[table["type"] == kind] for kind in ("epoch", "norm"))
    return {
        "outcomes": outcomes(epochs),
        "curves": curves(epochs),
        "matched": matched(epochs),
        "gradients": gradients(norms),
    }
