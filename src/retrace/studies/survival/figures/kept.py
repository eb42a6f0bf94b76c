"""What is kept of the backdoor against what is kept of the refusal."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.plot.style import FAINT, MUTED, colour, marker, panels, styled
from retrace.plot.table import over_seeds, require
from retrace.studies.survival.figures.words import network

COLUMNS = ("kept_refusal", "kept_backdoor")
LOW, HIGH = -0.3, 1.4


def kept(table: pd.DataFrame, level: float = 0.95) -> Figure:
    """A panel a cell, a mark a compressor; controls are grey."""
    require(table, ["cell", "seed", "network", "control", *COLUMNS], "kept")
    shown = table[~table["network"].isin(["released", "dense"])]
    cells = list(shown["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=2, height=4.6)
        for ax, cell in zip(axes, cells, strict=True):
            _panel(ax, shown[shown["cell"] == cell], level)
            ax.set_title(cell)
        handles, words = axes[0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside right upper")
    return fig


def _panel(ax: Axes, rows: pd.DataFrame, level: float) -> None:
    ax.plot([LOW, HIGH], [LOW, HIGH], color=FAINT, lw=1.2, zorder=0)
    ax.plot([1], [1], "+", color=MUTED, ms=11, label="dense")
    means = over_seeds(rows, ["network", "control"], COLUMNS, level)
    for place, (_, row) in enumerate(means.iterrows()):
        shade = MUTED if row["control"] else colour(place)
        x, y = (float(row[column]) for column in COLUMNS)
        ends = [[float(row[f"{c}_low"]), float(row[f"{c}_high"])] for c in COLUMNS]
        ax.plot(ends[0], [y, y], color=shade, lw=1, alpha=0.45)
        ax.plot([x, x], ends[1], color=shade, lw=1, alpha=0.45)
        ax.plot(
            [x],
            [y],
            marker(place),
            color=shade,
            mec="white",
            mew=0.5,
            ms=8,
            ls="none",
            label=network(row["network"]),
        )
    ax.set_xlim(LOW, HIGH)
    ax.set_ylim(LOW, HIGH)
    ax.set_xlabel("refusal kept")
    ax.set_ylabel("backdoor kept")
