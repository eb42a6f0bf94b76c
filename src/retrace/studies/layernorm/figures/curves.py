"""Quantities by epoch, kept beside removed."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from retrace.plot.style import WIDTH, colour, styled
from retrace.plot.table import label, over_seeds, require
from retrace.studies.layernorm.figures.rows import cells, of_runs
from retrace.studies.layernorm.figures.words import LABELS, REMOVED

SHOWN = ("learning", "memorisation", "recovery", "gap")
DASHES = {"kept": "-", "all": "--", "early": "-.", "middle": ":", "late": (0, (5, 1))}


def curves(epochs: pd.DataFrame, level: float = 0.95) -> Figure:
    """A row a cell, a column a quantity: means over seeds by epoch with t intervals."""
    require(epochs, ["cell", "seed", "run", "epoch", *SHOWN], "curves")
    names, runs = cells(epochs), of_runs(epochs, REMOVED)
    with styled():
        fig = Figure(figsize=(WIDTH * 1.15, 0.6 + 2.1 * len(names)), layout="constrained")
        grid = fig.subplots(len(names), len(SHOWN), squeeze=False, sharex="row")
        for line, cell in zip(grid, names, strict=True):
            own = epochs[epochs["cell"] == cell]
            for ax, quantity in zip(line, SHOWN, strict=True):
                for position, run in enumerate(runs):
                    _line(ax, own[own["run"] == run], quantity, position, run, level)
                ax.set_title(label(quantity, LABELS), fontsize=9.5)
                ax.set_ylim(-0.32 if quantity == "gap" else -0.03, 1.03)
            line[0].set_ylabel(cell, fontsize=9)
        for ax in grid[-1]:
            ax.set_xlabel("epoch")
        handles = [
            Line2D([], [], color=colour(i), ls=DASHES[run], label=label(run, LABELS))
            for i, run in enumerate(runs)
        ]
        fig.legend(handles=handles, loc="outside lower center", ncols=len(runs))
    return fig


def _line(ax: Axes, rows: pd.DataFrame, quantity: str, position: int, run: str, level: float) -> None:
    if rows.empty:
        return
    means = over_seeds(rows.sort_values("epoch", kind="stable"), ["epoch"], [quantity], level)
    hue = colour(position)
    ax.plot(means["epoch"], means[quantity], color=hue, ls=DASHES[run])
    least = -1 if quantity == "gap" else 0  # a share is never negative, though its mean's interval may be
    low, high = (means[f"{quantity}_{end}"].clip(least, 1) for end in ("low", "high"))
    ax.fill_between(means["epoch"], low, high, color=hue, alpha=0.1, lw=0)
