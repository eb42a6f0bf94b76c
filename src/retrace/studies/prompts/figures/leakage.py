"""What prompts give away, by method: three bars a method."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import INK, WIDTH, colour, styled
from retrace.plot.table import over_seeds
from retrace.studies.prompts.figures.words import LABELS, LEAKS, method, order

ENDS = {"run": None, "exposure": 6.0, "auc": 1.0}  # of the axes: most that there can be


def by_method(methods: pd.DataFrame) -> Figure:
    """A row of panels a cell, a panel a measure; columns cell, method and the measures, a row a seed."""
    rows = methods.dropna(subset=["run"])
    cells = list(rows["cell"].drop_duplicates())
    names = sorted(rows["method"].unique(), key=order)
    with styled():
        fig = Figure(figsize=(WIDTH, 0.6 + len(cells) * (0.6 + 0.2 * len(names))), layout="constrained")
        grid = fig.subplots(len(cells), len(LEAKS), squeeze=False, sharex="col")
        for line, cell in zip(grid, cells, strict=True):
            own = (
                over_seeds(rows[rows["cell"] == cell], ["method"], list(LEAKS), 0.95)
                .set_index("method")
                .reindex(names)
            )
            places = np.arange(len(names))
            for place, (ax, leak) in enumerate(zip(line, LEAKS, strict=True)):
                ax.barh(places, own[leak], 0.7, color=colour(place))
                ends = [own[f"{leak}_{end}"].clip(0, ENDS[leak]) for end in ("low", "high")]
                ax.hlines(places, *ends, color=INK, lw=1)
                ax.set_title(LABELS[leak] if len(cells) == 1 else f"{cell}: {LABELS[leak]}", fontsize=8.5)
                ax.set(yticks=[], ylim=(len(names) - 0.5, -0.5), xlim=(0, ENDS[leak]))
                for where in places[own[leak].isna()]:
                    ax.text(0, where, " not measured", va="center", fontsize=7.5)
            line[0].set_yticks(places, [method(name) for name in names])
            line[-1].axvline(0.5, color=INK, lw=0.8, ls=":")
    return fig
