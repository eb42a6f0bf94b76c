"""Accuracy of each prompt in its own template, in another, and by other readers: a matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import panels, styled
from retrace.studies.prompts.figures.words import LABELS, method, order


def matrix(methods: pd.DataFrame, readers: Sequence[str]) -> Figure:
    """A panel a cell; columns cell, method, first, chat and `readers`, a row a seed; means over seeds."""
    rows = methods.dropna(subset=["chat"])
    cells = list(rows["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=2, height=3.0)
        for ax, cell in zip(axes, cells, strict=True):
            own = rows[rows["cell"] == cell].dropna(axis="columns", how="all")
            shown = [name for name in ("first", "chat", *readers) if name in own]
            means = own.groupby("method")[shown].mean()
            means = means.loc[sorted(means.index, key=order)]
            ax.imshow(means.to_numpy(), aspect="auto", cmap="Blues", vmin=0, vmax=1)
            for (y, x), value in _cells(means):
                ax.text(
                    x, y, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.6 else "black"
                )
            words = [LABELS.get("plain" if name == "first" else name, name) for name in shown]
            ax.set_xticks(range(len(shown)), words, fontsize=8)
            ax.set_yticks(range(len(means)), [method(name) for name in means.index])
            ax.set_title(str(cell))
            ax.grid(False)
    return fig


def _cells(means: pd.DataFrame) -> list[tuple[tuple[int, int], float]]:
    values = means.to_numpy(dtype=float)
    found = [((y, x), float(value)) for (y, x), value in np.ndenumerate(values)]
    return [pair for pair in found if np.isfinite(pair[1])]
