"""Accuracy of each group at each number of bits: a panel a cell, a block of bars a group."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import FAINT, PALETTE, panels, styled
from retrace.plot.table import label, over_seeds, require
from retrace.studies.quantization.figures.rows import by_size
from retrace.studies.quantization.figures.words import BARS


def accuracies(table: pd.DataFrame) -> pd.DataFrame:
    """The groups' accuracy by the methods of `BARS`, and by the network whose smallest group is enlarged."""
    shown = (*BARS, "enlarged_fp32")
    return table[(table["type"] == "group") & table["method"].isin(shown)]


def grouped_bars(
    rows: pd.DataFrame, *, labels: Mapping[str, str] | None = None, level: float = 0.95
) -> Figure:
    """A block of bars a group, from the largest to the smallest, and intervals over seeds.

    Columns cell, rank, size, method, accuracy. A grey bar behind the smallest group is the enlarged one.
    """
    require(rows, ["cell", "rank", "size", "method", "accuracy"], "grouped_bars")
    cells = list(rows["cell"].drop_duplicates())
    methods = [m for m in BARS if m in set(rows["method"])]
    wide = 0.8 / len(methods)
    with styled():
        fig, axes = panels(len(cells), columns=1, height=2.3)
        fig.set_figwidth(8.4)
        for ax, cell in zip(axes, cells, strict=True):
            inside = rows[rows["cell"] == cell]
            groups = by_size(inside)
            enlarged = inside[(inside["method"] == "enlarged_fp32") & (inside["rank"] == groups[-1][0])]
            if len(enlarged):
                ax.bar(len(groups) - 1, enlarged["accuracy"].mean(), 0.94, color=FAINT, zorder=1)
            for n, method in enumerate(methods):
                means = over_seeds(inside[inside["method"] == method], ["rank"], ["accuracy"], level)
                means = means.sort_values("rank")
                value, high = means["accuracy"].to_numpy(float), means["accuracy_high"].to_numpy(float)
                ax.bar(
                    np.arange(len(groups)) + (n - (len(methods) - 1) / 2) * wide,
                    value,
                    wide * 0.92,
                    color=PALETTE[n],
                    yerr=np.nan_to_num(high - value),
                    error_kw={"elinewidth": 0.7},
                    label=label(method, labels),
                    zorder=2,
                )
            ax.set_xticks(np.arange(len(groups)), [word for _, word in groups])
            ax.set(ylim=(0, 1.05), ylabel="accuracy", title=label(str(cell), labels))
        axes[-1].set_xlabel("training images of the group")
        handles, words = axes[0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=len(words))
    return fig
