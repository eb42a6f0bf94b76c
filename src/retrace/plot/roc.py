"""ROC curves on two logarithmic axes, where low false-positive rates can be read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, PALETTE, panels, styled
from retrace.plot.table import label, require


def log_roc(curves: pd.DataFrame, *, labels: Mapping[str, str] | None = None, least: float = 1e-3) -> Figure:
    """One panel a cell, a curve a method, from columns cell, method, fpr, tpr; axes from `least` to 1."""
    require(curves, ["cell", "method", "fpr", "tpr"], "log_roc")
    cells = list(curves["cell"].drop_duplicates())
    names = list(curves["method"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=2, height=4.2)
        for ax, cell in zip(axes, cells, strict=True):
            guess = np.logspace(np.log10(least), 0, 50)
            ax.plot(guess, guess, color=MUTED, lw=0.9, ls=":")
            for position, name in enumerate(names):
                rows = curves[(curves["cell"] == cell) & (curves["method"] == name)].sort_values("fpr")
                style = "-" if position < len(PALETTE) else "--"
                if len(rows):
                    hue = PALETTE[position % len(PALETTE)]
                    ax.plot(rows["fpr"], rows["tpr"], color=hue, ls=style, label=label(name, labels))
            ax.set(xscale="log", yscale="log", xlim=(least, 1), ylim=(least, 1))
            ax.set(xlabel="false-positive rate", ylabel="true-positive rate", title=label(str(cell), labels))
            ax.legend(loc="lower right", fontsize=8)
    return fig
