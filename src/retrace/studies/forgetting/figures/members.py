"""How well members are told from others, before and after damage."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, WIDTH, colour, marker, styled
from retrace.plot.table import label, mean_interval, require
from retrace.studies.forgetting.figures.words import LABELS
from retrace.studies.forgetting.names import METHODS

COLUMNS = {"auc": "rightly labelled", "auc_wrong": "wrongly labelled"}
TRAINED = ("kept", "norms", "others")


def members(table: pd.DataFrame, level: float = 0.95) -> Figure:
    """Two panels a cell, a row a network: seeds faint, mean and t interval."""
    cells = table[table["type"] == "cell"]
    require(cells, ["cell", "seed", *(f"{c}_kept" for c in COLUMNS)], "members")
    names = list(cells["cell"].drop_duplicates())
    lines = [*TRAINED, *(f"at_{method}" for method in METHODS)]
    with styled():
        fig = Figure(figsize=(WIDTH, 0.5 + 2.0 * len(names)), layout="constrained")
        grid = fig.subplots(len(names), len(COLUMNS), squeeze=False, sharex=True, sharey=True)
        for row, cell in zip(grid, names, strict=True):
            own = cells[cells["cell"] == cell]
            for ax, column in zip(row, COLUMNS, strict=True):
                _panel(ax, own, column, lines, level)
            row[0].set_title(cell, fontsize=9.5)
        for ax, words in zip(grid[-1], COLUMNS.values(), strict=True):
            ax.set_xlabel(f"AUC, {words} members")
        grid[0][0].set_yticks(range(len(lines)), [_words(name) for name in lines])
        grid[0][0].invert_yaxis()  # all share it
    return fig


def _words(name: str) -> str:
    method = name.removeprefix("at_")
    return f"{label(method, LABELS)}, damaged" if method != name else label(name, LABELS)


def _panel(ax: Axes, rows: pd.DataFrame, column: str, lines: list[str], level: float) -> None:
    for place, name in enumerate(lines):
        values = rows[f"{column}_{name}"].to_numpy(float)
        mean, low, high = mean_interval(values, level)
        hue = colour(place % 6)
        ax.scatter(values, [place] * len(values), s=9, color=hue, alpha=0.35, lw=0)
        ax.hlines(place, low, high, color=hue, lw=1.4)
        ax.plot([mean], [place], marker(place), color=hue, mec="white", mew=0.5)
    ax.axvline(0.5, color=MUTED, lw=0.8, ls="--")
