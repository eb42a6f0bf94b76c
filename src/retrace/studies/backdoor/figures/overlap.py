"""Flagged channels that two orders share."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import INK, colour, panels, styled
from retrace.plot.table import label, over_seeds
from retrace.studies.backdoor.figures.rows import cells_of
from retrace.studies.backdoor.figures.words import LEVEL, OVERLAPS, PAIRS


def shared(table: pd.DataFrame) -> Figure:
    """A panel a cell, a bar a pair: Jaccard index of BD-VAX's flags with those of other orders."""
    rows = table[table["type"] == "signature"]
    cells = cells_of(rows)
    columns = [f"overlap_{name}" for name in OVERLAPS if f"overlap_{name}" in rows.columns]
    with styled():
        fig, axes = panels(len(cells), columns=2, height=2.8)
        for ax, cell in zip(axes, cells, strict=True):
            [means] = over_seeds(rows[rows["cell"] == cell], ["cell"], columns, LEVEL).to_dict("records")
            places = np.arange(len(columns))
            ax.barh(places, [means[c] for c in columns], 0.7, color=colour(0))
            low, high = ([means[f"{c}_{end}"] for c in columns] for end in ("low", "high"))
            ax.hlines(places, low, high, color=INK, lw=1)
            ax.set_yticks(places, [label(c.removeprefix("overlap_"), PAIRS) for c in columns])
            ax.set(ylim=(len(columns) - 0.5, -0.5), xlim=(0, 1), xlabel="Jaccard index")
            if len(cells) > 1:
                ax.set_title(cell)
    return fig
