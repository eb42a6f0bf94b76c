"""Cost to the right, error upwards: where each network ends, one panel a cell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from retrace.plot.style import colour, marker, panels, styled
from retrace.plot.table import label, mean_interval, require
from retrace.studies.memory.figures.logaxis import plain_log


def cost_and_quality(
    table: pd.DataFrame,
    cost: str,
    quality: str,
    *,
    hollow: str,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """One point a `condition`: means over seeds with t intervals, the cost on a logarithmic axis.

    Points of which some row's `hollow` is true are hollow. Intervals of cost are of its logarithm.
    """
    require(table, ["cell", "condition", cost, quality, hollow], "cost_and_quality")
    cells, names = (list(table[column].drop_duplicates()) for column in ("cell", "condition"))
    with styled():
        fig, axes = panels(len(cells), columns=2, height=2.9)
        for ax, cell in zip(axes, cells, strict=True):
            own = table[table["cell"] == cell]
            for position, name in enumerate(names):
                rows = own[own["condition"] == name]
                if rows.empty:
                    continue
                x = np.exp2(mean_interval(np.log2(rows[cost].to_numpy(float)), level))
                y = mean_interval(rows[quality], level)
                hue, open_ = colour(position), bool(rows[hollow].any())
                ax.plot(x[[1, 2]], [y[0]] * 2, color=hue, lw=1, alpha=0.6)
                ax.plot([x[0]] * 2, [max(y[1], 0), y[2]], color=hue, lw=1, alpha=0.6)
                ax.plot(
                    x[0], y[0], marker(position), color=hue, mfc="white" if open_ else hue, mew=1.1, zorder=3
                )
            spread = own.groupby("condition")[quality].mean()
            top = float(spread.max())
            ax.set_ylim(min(-0.03 * top, 0.0), top * 1.15 + 1e-3)
            ax.set_xscale("log")
            plain_log(ax.xaxis)
            ax.set(xlabel=label(cost, labels), ylabel=label(quality, labels), title=label(str(cell), labels))
        handles = [
            Line2D([], [], color=colour(i), marker=marker(i), ls="", label=label(n, labels))
            for i, n in enumerate(names)
        ]
        fig.legend(handles=handles, loc="outside lower center", ncols=3)
    return fig
