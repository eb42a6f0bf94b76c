"""What every network says of either lesson, and what it still tells; its loss on neutral sentences."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, WIDTH, colour, marker, styled
from retrace.plot.table import over_seeds, require
from retrace.studies.survival.figures.words import LESSONS, network, order

AROUND = 0.16  # of a line, from its middle to either lesson
KINDS = {"does": "said where called for,\nless elsewhere", "tells": "AUC by likelihood"}
TICKS = (5, 6, 8, 12, 20, 30)


def networks(table: pd.DataFrame, level: float = 0.95) -> Figure:
    """Three panels a cell, a line a network: what is said, what is told by likelihood, loss."""
    columns = [*(f"{kind}_{lesson}" for kind in KINDS for lesson in LESSONS), "loss"]
    require(table, ["cell", "seed", "network", *columns], "networks")
    cells = list(table["cell"].drop_duplicates())
    with styled():
        fig = Figure(figsize=(WIDTH, 0.6 + 4.3 * len(cells)), layout="constrained")
        grid = fig.subplots(len(cells), len(KINDS) + 1, squeeze=False, sharey=True)
        for row, cell in zip(grid, cells, strict=True):
            own = table[table["cell"] == cell]
            means = over_seeds(own, ["network"], columns, level)
            means = means.sort_values("network", key=lambda names: names.map(order)).reset_index(drop=True)
            for ax, (kind, words) in zip(row, KINDS.items(), strict=False):
                _lessons(ax, means, own, kind)
                ax.set_xlabel(words)
            row[0].set_xlim(-0.65, 1.15)
            row[1].axvline(0.5, color=MUTED, lw=0.8, ls="--")
            row[1].set_xlim(-0.05, 1.1)
            _losses(row[-1], means)
            row[0].set_title(cell)
            row[0].set_yticks(range(len(means)), [network(name) for name in means["network"]])
            row[0].set_ylim(len(means) - 0.5, -0.5)
        handles, words = grid[0][0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=2)
    return fig


def _lessons(ax: Axes, means: pd.DataFrame, rows: pd.DataFrame, kind: str) -> None:
    lines = {name: line for line, name in enumerate(means["network"])}
    for place, (lesson, words) in enumerate(LESSONS.items()):
        column, shift = f"{kind}_{lesson}", (2 * place - 1) * AROUND
        at = means.index + shift
        ax.scatter(
            rows[column], rows["network"].map(lines) + shift, s=7, color=colour(place), alpha=0.3, lw=0
        )
        ax.hlines(at, means[f"{column}_low"], means[f"{column}_high"], color=colour(place), lw=1.2)
        ax.plot(
            means[column],
            at,
            marker(place),
            color=colour(place),
            mec="white",
            mew=0.5,
            ls="none",
            label=words,
        )


def _losses(ax: Axes, means: pd.DataFrame) -> None:
    ax.hlines(means.index, means["loss_low"], means["loss_high"], color=MUTED, lw=1.2)
    ax.plot(means["loss"], means.index, "o", color=MUTED, mec="white", mew=0.5)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xticks(TICKS)
    ax.minorticks_off()
    ax.set_xlabel("loss (nats a token)")
