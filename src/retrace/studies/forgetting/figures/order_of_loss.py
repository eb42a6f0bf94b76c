"""Wrong labels still given against test accuracy left."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from retrace.plot.style import FAINT, MUTED, colour, marker, panels, styled
from retrace.plot.table import label, require
from retrace.studies.forgetting.figures.words import LABELS
from retrace.studies.forgetting.names import METHODS

REMOVED = ("norms", "others")


def order_of_loss(table: pd.DataFrame) -> Figure:
    """A panel a cell: a line a kind of damage from the whole network (1, 1) on; removed ones as squares."""
    require(table, ["cell", "seed", "type"], "order_of_loss")
    cells = list(table["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=3, height=3.6)
        for ax, cell in zip(axes, cells, strict=True):
            own = table[table["cell"] == cell]
            _panel(ax, own[own["type"] == "copy"], own[own["type"] == "cell"])
            ax.set_title(cell)
        handles = [
            Line2D([], [], color=colour(i), marker=marker(i), label=label(name, LABELS))
            for i, name in enumerate(METHODS)
        ]
        handles += [
            Line2D([], [], color=colour(len(METHODS) + i), marker="s", ls="", label=label(name, LABELS))
            for i, name in enumerate(REMOVED)
        ]
        fig.legend(handles=handles, loc="outside lower center", ncols=3)
    return fig


def _panel(ax: Axes, copies: pd.DataFrame, ends: pd.DataFrame) -> None:
    ax.plot([-0.3, 1.3], [-0.3, 1.3], color=FAINT, lw=1.2, zorder=0)
    for i, method in enumerate(METHODS):
        own = copies[copies["method"] == method]
        ax.scatter(own["learned"], own["still"], s=8, color=colour(i), alpha=0.3, lw=0, zorder=2)
        means = own.groupby("step")[["learned", "still"]].mean().sort_index()
        line = pd.concat([pd.DataFrame({"learned": [1.0], "still": [1.0]}), means])
        ax.plot(
            line["learned"], line["still"], color=colour(i), marker=marker(i), mec="white", mew=0.5, zorder=3
        )
    for i, name in enumerate(REMOVED, len(METHODS)):
        x, y = ends[f"learned_{name}"], ends[f"still_{name}"]
        ax.scatter(x, y, s=10, marker="s", color=colour(i), alpha=0.35, lw=0, zorder=2)
        ax.scatter([x.mean()], [y.mean()], s=42, marker="s", color=colour(i), edgecolor="white", zorder=4)
    ax.axhline(0, color=MUTED, lw=0.6, ls=":")
    ax.axvline(0, color=MUTED, lw=0.6, ls=":")
    ax.set_xlim(1.28, -0.25)
    ax.set_ylim(-0.25, 1.2)
    ax.set_xlabel("test accuracy left")
    ax.set_ylabel("wrong labels still given")
