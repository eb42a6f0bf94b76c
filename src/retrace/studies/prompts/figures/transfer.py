"""Accuracy of each prompt in its own template and in another: a matrix."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import panels, styled
from retrace.studies.prompts.figures.words import LABELS, method


def matrix(methods: pd.DataFrame) -> Figure:
    """A panel a cell; columns cell, method, right, chat, a row a seed; cells hold means over seeds."""
    rows = methods.dropna(subset=["chat"])
    cells = list(rows["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=2, height=3.0)
        for ax, cell in zip(axes, cells, strict=True):
            means = rows[rows["cell"] == cell].groupby("method", sort=False)[["right", "chat"]].mean()
            ax.imshow(means.to_numpy(), aspect="auto", cmap="Blues", vmin=0, vmax=1)
            for (y, x), value in _cells(means):
                ax.text(
                    x, y, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.6 else "black"
                )
            ax.set_xticks([0, 1], [LABELS["plain"], LABELS["chat"]])
            ax.set_yticks(range(len(means)), [method(name) for name in means.index])
            ax.set_title(str(cell))
            ax.grid(False)
    return fig


def _cells(means: pd.DataFrame) -> list[tuple[tuple[int, int], float]]:
    values = means.to_numpy(dtype=float)
    return [((y, x), float(values[y, x])) for y in range(len(means)) for x in range(2)]
