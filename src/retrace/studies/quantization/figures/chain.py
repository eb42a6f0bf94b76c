"""The chain by group against bits: a row of panels a quantity, a column a cell, a curve a group."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, panels, styled
from retrace.plot.table import label, over_seeds, require
from retrace.studies.quantization.figures.logaxis import plain
from retrace.studies.quantization.figures.rows import bit_words, by_size
from retrace.studies.quantization.figures.words import CHAIN, LOGARITHMIC


def by_group(rows: pd.DataFrame, *, labels: Mapping[str, str] | None = None, level: float = 0.95) -> Figure:
    """Means over seeds; dark curves are large groups, light ones small. Columns as of `rows.swept`."""
    require(rows, ["cell", "rank", "size", "place", *CHAIN], "by_group")
    cells = list(rows["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells) * len(CHAIN), columns=len(cells), height=1.9)
        for n, (quantity, cell) in enumerate((q, c) for q in CHAIN for c in cells):
            inside, ax = rows[rows["cell"] == cell].dropna(subset=[quantity]), axes[n]
            groups = by_size(inside)
            shades = colormaps["viridis"](np.linspace(0, 0.9, len(groups)))
            for (rank, _), shade in zip(groups, shades, strict=True):
                own = inside[inside["rank"] == rank]
                means = over_seeds(own, ["place"], [quantity], level).sort_values("place")
                ax.plot(means["place"], means[quantity], color=shade, marker="o", ms=3, lw=1.2)
            ax.set_xticks(range(len(bit_words())), bit_words())
            if quantity in LOGARITHMIC:
                ax.set_yscale("log")
                plain(ax.yaxis)
            elif quantity == "excess_loss":
                ax.set_yscale("symlog", linthresh=0.1)
                ax.axhline(0, color=MUTED, lw=0.7)
            if n < len(cells):
                ax.set_title(f"{label(str(cell), labels)}\n{groups[0][1]} to {groups[-1][1]} images")
            if n % len(cells) == 0:
                ax.set_ylabel(label(quantity, labels).replace(" of ", "\nof ").replace("st ", "st\n"))
            if n >= len(cells) * (len(CHAIN) - 1):
                ax.set_xlabel("bits")
    return fig
