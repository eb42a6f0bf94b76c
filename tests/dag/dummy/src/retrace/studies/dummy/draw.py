"""The dummy study's figure."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict


def draw(paper: str, table: pd.DataFrame, verdicts: PaperVerdict) -> dict[str, Figure]:
    """One figure: error against noise, a line a cell."""
    figure = Figure()
    axes = figure.add_subplot()
    for cell, part in table.groupby("cell"):
        axes.plot(*part.groupby("intensity")["error"].mean().reset_index().to_numpy().T, label=cell)
    return {"error_by_noise": figure}
