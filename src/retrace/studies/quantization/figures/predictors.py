"""What groups lose against what was known of them at full precision: a row a cell, a panel a predictor."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, colour, marker, panels, styled
from retrace.plot.table import label, require
from retrace.studies.quantization.figures.logaxis import plain
from retrace.studies.quantization.figures.words import PREDICTORS

SHOWN = ("ptq_4", "ptq_3")


def lost(table: pd.DataFrame) -> pd.DataFrame:
    """The groups at the numbers of bits that are shown."""
    return table[(table["type"] == "group") & table["method"].isin(SHOWN)]


def scattered(rows: pd.DataFrame, *, labels: Mapping[str, str] | None = None) -> Figure:
    """A point a seed and group; columns cell, method, excess_loss and `PREDICTORS`, these on log axes."""
    require(rows, ["cell", "method", "excess_loss", *PREDICTORS], "scattered")
    cells = list(rows["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells) * len(PREDICTORS), columns=len(PREDICTORS), height=2.3)
        for n, (cell, predictor) in enumerate((c, p) for c in cells for p in PREDICTORS):
            inside, ax = rows[rows["cell"] == cell], axes[n]
            for i, method in enumerate(SHOWN):
                own = inside[inside["method"] == method]
                ax.scatter(
                    own[predictor],
                    own["excess_loss"],
                    s=12,
                    color=colour(i),
                    marker=marker(i),
                    alpha=0.6,
                    lw=0,
                    label=label(method, labels),
                )
            ax.axhline(0, color=MUTED, lw=0.7)
            ax.set_xscale("log")
            plain(ax.xaxis)
            if n % len(PREDICTORS) == 0:
                ax.set_ylabel(f"{label(str(cell), labels)}\nexcess loss (nats)")
            if n >= len(PREDICTORS) * (len(cells) - 1):
                ax.set_xlabel(label(predictor, labels))
        handles, named = axes[0].get_legend_handles_labels()
        fig.legend(handles, named, loc="outside lower center", ncols=len(named))
    return fig
