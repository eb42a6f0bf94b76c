"""Attack success against the cost in likelihood: a panel for adapters, one for merged weights."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.plot.style import INK, WIDTH, colour, marker, styled
from retrace.plot.table import frame, label
from retrace.studies.backdoor.figures.rows import cells_of, of_networks
from retrace.studies.backdoor.figures.words import ADAPTER, LABELS, WEIGHTS


def success_cost(table: pd.DataFrame) -> Figure:
    """A row of two panels a cell; every network has a marker, named in the panel's legend."""
    cells = cells_of(table)
    with styled():
        fig = Figure(figsize=(WIDTH, 5.2 * len(cells)), layout="constrained")
        grid = fig.subplots(len(cells), 2, squeeze=False, sharey="row")
        for line, cell in zip(grid, cells, strict=True):
            for ax, names, title in zip(
                line, (ADAPTER, WEIGHTS), ("adapter purified", "merged weights"), strict=True
            ):
                _panel(ax, table, cell, names)
                ax.set_title(title if len(cells) == 1 else f"{cell}: {title}")
            line[0].set_ylabel(LABELS["hit"])
    return fig


def _panel(ax: Axes, table: pd.DataFrame, cell: str, names: Sequence[str]) -> None:
    means = of_networks(table, cell, names, ["hit", "cost"])
    for place, (name, row) in enumerate(means.iterrows()):
        hue = INK if name in ("base", "none") else colour(place)
        ax.plot(
            row["cost"], row["hit"], color=hue, marker=marker(place), ls="", label=label(str(name), LABELS)
        )
        ax.vlines(row["cost"], row["hit_low"], row["hit_high"], color=hue, lw=1, alpha=0.4)
        ax.hlines(row["hit"], row["cost_low"], row["cost_high"], color=hue, lw=1, alpha=0.4)
    ends = frame(means["cost"], means["cost_low"], means["cost_high"])
    if ends:
        ax.set_xlim(ends)
    ax.set(ylim=(-0.04, 1.04), xlabel=LABELS["cost"])
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=8)
