"""Quantities of each of a few things, as bars with intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.plot.style import PALETTE, panels, styled
from retrace.plot.table import label, over_seeds, require


def paired_bars(
    table: pd.DataFrame,
    by: str,
    pair: tuple[str, str],
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """One panel a cell, two bars for each value of `by`: means over rows with Student's t intervals."""
    require(table, ["cell", by, *pair], "paired_bars")
    cells = list(table["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=2, height=3.4)
        for ax, cell in zip(axes, cells, strict=True):
            means = over_seeds(table[table["cell"] == cell], [by], list(pair), level)
            for place, name in enumerate(pair):
                _bars(ax, means, name, place - 0.5, PALETTE[place], label(name, labels))
            _words_below(ax, means, by, labels)
            ax.margins(y=0.3)
            ax.legend(fontsize=8)
            ax.set_title(label(str(cell), labels))
    return fig


def bars_by_quantity(
    table: pd.DataFrame,
    by: str,
    quantities: tuple[str, ...],
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """A row of panels for each quantity, a column for each cell, a bar for each value of `by`.

    For quantities of different units; bars are means over rows with Student's t intervals, and a row
    shares its axis.
    """
    require(table, ["cell", by, *quantities], "bars_by_quantity")
    cells = list(table["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells) * len(quantities), columns=len(cells), height=2.4)
        for row, name in enumerate(quantities):
            line = axes[row * len(cells) : (row + 1) * len(cells)]
            for ax in line[1:]:
                ax.sharey(line[0])
            for ax, cell in zip(line, cells, strict=True):
                means = over_seeds(table[table["cell"] == cell], [by], [name], level)
                _bars(ax, means, name, 0, PALETTE[row], label(name, labels))
                _words_below(ax, means, by, labels)
                if row == 0:
                    ax.set_title(label(str(cell), labels))
            line[0].set_ylabel(label(name, labels).replace(": ", ":\n"))
    return fig


def _bars(ax: Axes, means: pd.DataFrame, name: str, place: float, colour: str, words: str) -> None:
    x = np.arange(len(means)) + place * 0.4
    value = means[name].to_numpy(float)
    reach = np.nan_to_num(means[f"{name}_high"].to_numpy(float) - value)
    thin = {"elinewidth": 0.8}
    ax.bar(x, value, 0.38, color=colour, yerr=reach, error_kw=thin, alpha=0.85, label=words)


def _words_below(ax: Axes, means: pd.DataFrame, by: str, labels: Mapping[str, str] | None) -> None:
    ax.set_xticks(np.arange(len(means)), [label(_plain(value), labels) for value in means[by]])
    if means[by].map(str).str.len().max() > 3:
        for tick in ax.get_xticklabels():
            tick.set(rotation=35, ha="right", rotation_mode="anchor")
    ax.axhline(0, color="black", lw=0.7)
    ax.set_xlabel("" if by == "method" else by)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
