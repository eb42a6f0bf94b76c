"""Networks that went on training: accuracy of the worst group and mean accuracy, a bar a method."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import PALETTE, panels, styled
from retrace.plot.table import label, over_seeds, require
from retrace.studies.quantization.figures.words import MITIGATED

QUANTITIES = ("worst", "accuracy")


def mitigated(table: pd.DataFrame) -> pd.DataFrame:
    """A row a seed, cell and method, methods in the order of `MITIGATED`, cells in that of the sheet."""
    rows = table[(table["type"] == "method") & table["method"].isin(MITIGATED)]
    return rows.assign(_place=rows["method"].map(MITIGATED.index)).sort_values("_place", kind="stable")


def side_by_side(
    rows: pd.DataFrame, *, labels: Mapping[str, str] | None = None, level: float = 0.95
) -> Figure:
    """A panel a cell; intervals over seeds. Columns cell, method and `QUANTITIES`."""
    require(rows, ["cell", "method", *QUANTITIES], "side_by_side")
    cells = list(rows["cell"].drop_duplicates())
    methods = [m for m in MITIGATED if m in set(rows["method"])]
    y = np.arange(len(methods))[::-1]
    words = {**(labels or {}), "ptq_3": "rounded after training"}
    with styled():
        fig, axes = panels(len(cells), columns=len(cells), height=0.6 + 0.3 * len(methods))
        for ax, cell in zip(axes, cells, strict=True):
            inside = rows[rows["cell"] == cell]
            for n, quantity in enumerate(QUANTITIES):
                means = over_seeds(inside, ["method"], [quantity], level).set_index("method").reindex(methods)
                value, high = means[quantity].to_numpy(float), means[f"{quantity}_high"].to_numpy(float)
                ax.barh(
                    y + 0.2 - 0.4 * n,
                    value,
                    0.38,
                    xerr=np.nan_to_num(high - value),
                    color=PALETTE[n],
                    error_kw={"elinewidth": 0.7},
                    label=label(quantity, labels),
                )
            ax.set(xlim=(0, 1.02), title=label(str(cell), labels), xlabel="accuracy")
            ax.set_yticks(y, [label(m, words) for m in methods] if ax is axes[0] else [])
            ax.set_ylim(-0.6, len(methods) - 0.4)
        handles, named = axes[0].get_legend_handles_labels()
        fig.legend(handles, named, loc="outside lower center", ncols=len(named))
    return fig
