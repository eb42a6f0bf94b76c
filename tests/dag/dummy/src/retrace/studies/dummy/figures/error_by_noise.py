"""Error against noise, a line a cell."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import colour, panels, styled
from retrace.plot.table import label
from retrace.studies.dummy.figures.words import LABELS


def error_by_noise(table: pd.DataFrame) -> Figure:
    """Mean error over seeds at each noise; columns cell, intensity and error."""
    with styled():
        figure, (axes,) = panels(1)
        for position, (cell, rows) in enumerate(table.groupby("cell", sort=False)):
            means = rows.groupby("intensity")["error"].mean()
            axes.plot(means.index, means, color=colour(position), label=str(cell))
        axes.set(xlabel=label("intensity", LABELS), ylabel=label("error", LABELS))
        axes.legend()
    return figure
