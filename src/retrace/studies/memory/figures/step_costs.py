"""Several costs of the same things: one panel a cost, one row a thing, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import WIDTH, colour, styled
from retrace.plot.table import label, mean_interval, require
from retrace.studies.memory.figures.logaxis import plain_log


def cost_dots(
    table: pd.DataFrame,
    by: str,
    costs: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """Means over rows of each `by`, in order of first appearance, with t intervals of the logarithm."""
    require(table, [by, *costs], "cost_dots")
    names = list(table[by].drop_duplicates())
    with styled():
        fig = Figure(figsize=(WIDTH, 1.0 + 0.27 * len(names)), layout="constrained")
        axes = list(np.atleast_1d(fig.subplots(1, len(costs), sharey=True)))
        for ax, cost in zip(axes, costs, strict=True):
            for row, name in enumerate(names):
                values = np.log2(table.loc[table[by] == name, cost].to_numpy(float))
                mean, low, high = np.exp2(mean_interval(values, level))
                ax.plot([low, high], [row, row], color=colour(row), lw=1.2, alpha=0.7)
                ax.plot(mean, row, "o", color=colour(row), mec="white", mew=0.6)
                ax.annotate(
                    f"{mean:.3g}", (mean, row), (0, 5), textcoords="offset points", fontsize=7, ha="center"
                )
            ax.set_xscale("log")
            ax.margins(x=0.15)
            plain_log(ax.xaxis)
            ax.set_xlabel(label(cost, labels))
        axes[0].set_yticks(range(len(names)), [label(str(name), labels) for name in names])
        axes[0].invert_yaxis()
    return fig
