"""Two quantities side by side for each of a few things, as bars with intervals."""

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
    """One panel a cell, two bars for each value of `by`: means over rows with Student's t intervals.

    Where the two differ in size more than tenfold the second has an axis of its own, to the right, with
    its zero at the same height.
    """
    require(table, ["cell", by, *pair], "paired_bars")
    cells = list(table["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=2, height=3.4)
        for ax, cell in zip(axes, cells, strict=True):
            means = over_seeds(table[table["cell"] == cell], [by], list(pair), level)
            sizes = [float(means[name].abs().max()) for name in pair]
            apart = max(sizes) > 10 * max(min(sizes), 1e-12)
            second: Axes = ax.twinx() if apart else ax  # type: ignore[assignment]
            for place, (on, name) in enumerate(zip((ax, second), pair, strict=True)):
                _bars(on, means, name, place, label(name, labels))
                if apart:
                    on.set_ylabel(label(name, labels), color=PALETTE[place])
            ax.set_xticks(np.arange(len(means)), [label(_plain(v), labels) for v in means[by]])
            if means[by].map(str).str.len().max() > 3:
                for tick in ax.get_xticklabels():
                    tick.set(rotation=35, ha="right", rotation_mode="anchor")
            ax.axhline(0, color="black", lw=0.7)
            ax.set_title(label(str(cell), labels))
            if apart:
                second.grid(False)
                _same_zero(ax, second)
            else:
                ax.margins(y=0.3)
                ax.legend(fontsize=8)
            ax.set_xlabel("" if by == "method" else by)
    return fig


def _bars(ax: Axes, means: pd.DataFrame, name: str, place: int, words: str) -> None:
    x = np.arange(len(means)) + (place - 0.5) * 0.4
    value = means[name].to_numpy(float)
    reach = np.nan_to_num(means[f"{name}_high"].to_numpy(float) - value)
    thin = {"elinewidth": 0.8}
    ax.bar(x, value, 0.38, color=PALETTE[place], yerr=reach, error_kw=thin, alpha=0.85, label=words)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _same_zero(first: Axes, second: Axes) -> None:
    ends = [ax.get_ylim() for ax in (first, second)]
    below = max(max(0.0, -low) / (max(high, 0) + max(0.0, -low)) for low, high in ends)
    for ax, (low, high) in zip((first, second), ends, strict=True):
        reach = max(max(high, 0.0) / (1 - below), -low / below if below and low < 0 else 0.0)
        ax.set_ylim(-below * reach, (1 - below) * reach)
