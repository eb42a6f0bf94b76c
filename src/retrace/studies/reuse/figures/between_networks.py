"""Between-architectures chart: does the index put the networks in the order of their cost?"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.plot.style import INK, MUTED, colour, marker, panels, styled
from retrace.plot.table import label, require
from retrace.plot.words import short


def shared_conditions(table: pd.DataFrame, network: str, keys: Sequence[str]) -> pd.DataFrame:
    """The rows whose condition (values of `keys`) every network was measured at."""
    seen = table.groupby(list(keys), sort=False)[network].transform("nunique")
    return table[seen == table[network].nunique()]


def comparable(shifts: pd.DataFrame) -> pd.DataFrame:
    """The rows of the data set that most networks saw, at conditions that all of them saw."""
    networks = shifts.groupby("dataset")["network"].nunique()
    return shared_conditions(
        shifts[shifts["dataset"] == networks.idxmax()], "network", ["dataset", "condition"]
    )


def between_networks(
    table: pd.DataFrame,
    index: str,
    cost: str,
    *,
    network: str = "network",
    panel: str = "type",
    condition: Sequence[str] = ("dataset", "condition"),
    labels: Mapping[str, str] | None = None,
    title: str = "",
) -> Figure:
    """Slope chart: networks ranked by mean index (left) and mean cost (right), one panel per `panel` value.

    Only conditions that every network was measured at count, so the means compare like with like;
    they run over conditions and seeds. Rank 1 (bottom) is the smallest. Lines that cross are pairs
    that the index orders wrongly; the panel's title counts the pairs in the same order.
    """
    require(table, [index, cost, network, panel, *condition], "between_networks")
    usable = shared_conditions(table.dropna(subset=[index, cost]), network, list(condition))
    names = list(table[network].drop_duplicates())
    if usable.empty or len(names) < 2:
        raise ValueError(
            f"between_networks: no condition was measured on all of {', '.join(map(str, names))}; "
            "at least two networks need the same conditions"
        )
    groups = list(usable.groupby(panel, sort=False))
    with styled():
        fig, axes = panels(len(groups), columns=2, height=1.1 + 0.42 * len(names))
        for ax, (name, group) in zip(axes, groups, strict=True):
            means = group.groupby(network, sort=False)[[index, cost]].mean().reindex(names)
            _slopes(ax, means[index], means[cost], label(index, labels), label(cost, labels))
            same, pairs = agreeing_pairs(means[index].to_numpy(float), means[cost].to_numpy(float))
            ax.set_title(label(str(name), labels), loc="center", pad=20)
            found = f"{same} of {pairs} pairs in order"
            ax.annotate(found, (0.5, 1), (0, 9), "axes fraction", "offset points", ha="center", fontsize=9)
        if title:
            fig.suptitle(title, x=0.01, ha="left")
    return fig


def agreeing_pairs(a: np.ndarray, b: np.ndarray) -> tuple[int, int]:
    """How many pairs of positions `a` (n,) and `b` (n,) order alike and strictly, and of how many pairs."""
    pairs = list(combinations(range(len(a)), 2))
    return sum(bool((a[i] - a[j]) * (b[i] - b[j]) > 0) for i, j in pairs), len(pairs)


def _slopes(ax: Axes, left: pd.Series, right: pd.Series, left_name: str, right_name: str) -> None:
    """One line a network from its rank on the left to its rank on the right, with names and values."""
    ranks = [side.rank(method="first").to_numpy(float) for side in (left, right)]
    for position, name in enumerate(left.index):
        hue, shape = colour(position), marker(position)
        y = ranks[0][position], ranks[1][position]
        ax.plot((0, 1), y, color=hue, marker=shape, ms=7, lw=2, mec="white", mew=0.8, clip_on=False)
        ax.annotate(
            f"{name}  {short(left.iloc[position])}",
            (0, y[0]),
            (-9, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8.5,
            color=INK,
        )
        ax.annotate(
            short(right.iloc[position]),
            (1, y[1]),
            (9, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=8.5,
            color=INK,
        )
    ax.set(xlim=(0, 1), ylim=(0.5, len(left) + 0.5), yticks=[])
    ax.set_xticks((0, 1), [textwrap.fill(f"by {name}", 16) for name in (left_name, right_name)])
    first, second = ax.get_xticklabels()
    first.set_horizontalalignment("right")
    second.set_horizontalalignment("left")
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.vlines((0, 1), 0.6, len(left) + 0.4, color=MUTED, lw=0.6, zorder=0)
