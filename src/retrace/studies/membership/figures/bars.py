"""Bars with intervals and the words below them, for one set of axes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from retrace.plot.table import label


def bars(ax: Axes, means: pd.DataFrame, name: str, place: float, colour: str, words: str) -> None:
    """The means of a column and their intervals, moved by 0.4 `place`."""
    x = np.arange(len(means)) + place * 0.4
    value = means[name].to_numpy(float)
    reach = np.nan_to_num(means[f"{name}_high"].to_numpy(float) - value)
    thin = {"elinewidth": 0.8}
    ax.bar(x, value, 0.38, color=colour, yerr=reach, error_kw=thin, alpha=0.85, label=words)


def words_below(ax: Axes, means: pd.DataFrame, by: str, labels: Mapping[str, str] | None) -> None:
    """Name each bar by its value of `by`; long names slant."""
    ax.set_xticks(np.arange(len(means)), [label(_plain(value), labels) for value in means[by]])
    if means[by].map(str).str.len().max() > 3:
        for tick in ax.get_xticklabels():
            tick.set(rotation=35, ha="right", rotation_mode="anchor")
    ax.axhline(0, color="black", lw=0.7)
    ax.set_xlabel("" if by == "method" else by)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
