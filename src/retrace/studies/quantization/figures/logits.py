"""Histograms of logits by group: a row a cell, a panel a number of bits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from retrace.plot.style import colour, panels, styled
from retrace.plot.table import label
from retrace.stage import Array
from retrace.studies.quantization.figures.logaxis import plain
from retrace.studies.quantization.figures.words import BARS

LEAST = 5e-4  # share of a bin at the foot of a panel; of a bin without logits there is nothing to see
WORDS = ("largest group", "middle group", "smallest group")


def histograms(
    logits: Mapping[tuple[str, str], tuple[Array, Array]], *, labels: Mapping[str, str] | None = None
) -> Figure:
    """Shares of the logits of the largest, the middle and the smallest group, on a logarithmic axis."""
    cells = list(dict.fromkeys(cell for cell, _ in logits))
    methods = [m for m in BARS if any(m == method for _, method in logits)]
    with styled():
        fig, axes = panels(len(cells) * len(methods), columns=len(methods), height=2.0)
        for n, (cell, method) in enumerate((c, m) for c in cells for m in methods):
            edges, counts = logits[(cell, method)]
            middle, ax = (edges[1:] + edges[:-1]) / 2, axes[n]
            shown = dict.fromkeys((0, len(counts) // 2, len(counts) - 1))
            for i, rank in enumerate(shown):
                share = counts[rank] / max(1, counts[rank].sum())
                place = i if len(shown) == len(WORDS) else 2 * i  # of two groups none is in the middle
                ax.step(middle, np.maximum(share, LEAST / 10), color=colour(place), lw=1.1)
            ax.set(yscale="log", ylim=(LEAST, 0.5), xlim=(edges[0], edges[-1]))
            plain(ax.yaxis)
            if n < len(methods):
                ax.set_title(label(method, labels))
            if n % len(methods) == 0:
                ax.set_ylabel(label(cell, labels))
            if n >= len(methods) * (len(cells) - 1):
                ax.set_xlabel("logit")
        handles = [Line2D([], [], color=colour(i), label=words) for i, words in enumerate(WORDS)]
        fig.legend(handles=handles, loc="outside lower center", ncols=3)
    return fig
