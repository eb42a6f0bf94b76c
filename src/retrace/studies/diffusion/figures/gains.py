"""Change of the AUC by each tuning and attack, with intervals over seeds, and the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, colour, marker, panels, styled
from retrace.plot.table import label, mean_interval, require


def by_seed(table: pd.DataFrame, names: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Mean of the columns over judged domains: cell, method, seed, and these."""
    rows = table[(table["type"] == "tuning") & table["method"].isin(names)]
    return rows.groupby(["cell", "method", "seed"], sort=False, as_index=False)[list(columns)].mean()


def forest(
    gains: pd.DataFrame,
    names: Sequence[str],
    columns: Sequence[str],
    published: Mapping[str, float],
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """One panel a cell, a row a method of `names`, a point a column; columns cell, method and `columns`."""
    require(gains, ["cell", "method", *columns], "forest")
    cells = list(gains["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=1, height=0.3 * len(names) + 1.4)
        fig.set_figwidth(8.4)
        for ax, cell in zip(axes, cells, strict=True):
            for place, name in enumerate(names):
                own = gains[(gains["cell"] == cell) & (gains["method"] == name)]
                for number, column in enumerate(columns):
                    _point(ax, own[column], place + 0.24 * (number - (len(columns) - 1) / 2), number, level)
                if name in published:
                    ax.plot(published[name], place, "D", color=MUTED, mfc="none", ms=5)
            ax.axvline(0, color="black", lw=0.8)
            ax.set_yticks(range(len(names)), [label(name, labels) for name in names])
            ax.set(ylim=(len(names) - 0.5, -0.5), xlabel="change of the AUC of membership")
            ax.set_title(label(cell, labels))
            for number, column in enumerate(columns):
                ax.plot([], [], marker(number), color=colour(number), label=label(column, labels))
            ax.plot([], [], "D", color=MUTED, mfc="none", ms=5, label="the paper's, at its size")
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def _point(ax: Axes, values: pd.Series[float], place: float, number: int, level: float) -> None:
    """The mean with its interval, and every seed."""
    mean, low, high = mean_interval(values, level)
    hue = colour(number)
    ax.hlines(place, low, high, color=hue, lw=1.5)
    ax.scatter(values, [place] * len(values), s=8, color=hue, alpha=0.4, lw=0)
    ax.plot(mean, place, marker(number), color=hue, mec="white", mew=0.6)
