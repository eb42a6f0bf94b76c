"""What every network does of either lesson, and its loss on neutral sentences."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, WIDTH, colour, marker, styled
from retrace.plot.table import over_seeds, require
from retrace.studies.survival.figures.words import LESSONS, network

AROUND = 0.14  # of a line, between both lessons


def by_size(table: pd.DataFrame, level: float = 0.95) -> Figure:
    """Two panels a cell, a line a network: both lessons left, loss right."""
    columns = [*(f"does_{lesson}" for lesson in LESSONS), "loss"]
    require(table, ["cell", "seed", "network", *columns], "by_size")
    cells = list(table["cell"].drop_duplicates())
    with styled():
        fig = Figure(figsize=(WIDTH, 0.6 + 3.9 * len(cells)), layout="constrained")
        grid = fig.subplots(len(cells), 2, squeeze=False, width_ratios=(3, 2))
        for (left, right), cell in zip(grid, cells, strict=True):
            means = over_seeds(table[table["cell"] == cell], ["network"], columns, level)
            means = means[means["network"] != "released"].reset_index(drop=True)
            _does(left, means)
            _losses(right, means)
            left.set_title(cell)
            before = table[(table["cell"] == cell) & (table["network"] == "released")]
            for place, lesson in enumerate(LESSONS):
                left.axvline(before[f"does_{lesson}"].mean(), color=colour(place), lw=0.8, ls="--")
            right.axvline(before["loss"].mean(), color=MUTED, lw=0.8, ls="--")
        handles, words = grid[0][0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=2)
    return fig


def _does(ax: Axes, means: pd.DataFrame) -> None:
    for place, (lesson, words) in enumerate(LESSONS.items()):
        column = f"does_{lesson}"
        lines = means.index + (place - 0.5) * 2 * AROUND
        ax.hlines(lines, means[f"{column}_low"], means[f"{column}_high"], color=colour(place), lw=1.2)
        ax.plot(means[column], lines, marker(place), color=colour(place), mec="white", mew=0.5, label=words)
    _lines(ax, means)
    ax.set_xlim(-0.35, 1.25)
    ax.set_xlabel("said where called for, less elsewhere")


def _losses(ax: Axes, means: pd.DataFrame) -> None:
    ax.hlines(means.index, means["loss_low"], means["loss_high"], color=MUTED, lw=1.2)
    ax.plot(means["loss"], means.index, "o", color=MUTED, mec="white", mew=0.5)
    _lines(ax, means)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xticks([5, 6, 8, 12, 20, 30])
    ax.minorticks_off()
    ax.tick_params(labelleft=False)
    ax.set_xlabel("loss (nats a token)")


def _lines(ax: Axes, means: pd.DataFrame) -> None:
    ax.set_yticks(range(len(means)), [network(name) for name in means["network"]])
    ax.set_ylim(len(means) - 0.5, -0.5)
