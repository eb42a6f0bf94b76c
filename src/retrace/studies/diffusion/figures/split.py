"""AUC before and after tuning, by where the non-members come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import colour, panels, styled
from retrace.plot.table import label, mean_interval, require
from retrace.studies.diffusion.figures.rows import untuned_first


def sources(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Mean over judged domains of tunings whose non-members from elsewhere were looked at."""
    known = [column for column in columns if column in table]
    rows = table[(table["type"] == "tuning") & table[known[-1]].notna()]
    return rows.groupby(["cell", "method", "seed"], sort=False, as_index=False)[known].mean()


def blocks(
    rows: pd.DataFrame,
    columns: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """One panel a cell, a block of bars a tuning, a bar a source; intervals over seeds."""
    require(rows, ["cell", "method"], "blocks")
    cells, known = list(rows["cell"].drop_duplicates()), [c for c in columns if c in rows]
    with styled():
        fig, axes = panels(len(cells), columns=1, height=3.0)
        fig.set_figwidth(8.4)
        for ax, cell in zip(axes, cells, strict=True):
            own = rows[rows["cell"] == cell]
            names = sorted(own["method"].drop_duplicates(), key=untuned_first)
            for place, column in enumerate(known):
                found = [mean_interval(own[own["method"] == name][column], level) for name in names]
                x = np.arange(len(names)) + (place - (len(known) - 1) / 2) * 0.26
                mean, low, high = (np.array(part) for part in zip(*found, strict=True))
                ax.bar(x, mean, 0.24, color=colour(place), alpha=0.85, label=label(column, labels))
                ax.vlines(x, low, np.minimum(high, 1), color="black", lw=0.8)
            ax.axhline(0.5, color="black", lw=0.7, ls=":")
            ax.set_xticks(range(len(names)), [label(name, labels) for name in names])
            ax.set(ylabel="AUC of the loss attack", ylim=(0, 1.02), title=label(cell, labels))
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig
