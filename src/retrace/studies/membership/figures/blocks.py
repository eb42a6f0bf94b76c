"""What each block of a network holds: a bar a block, a row of panels a quantity."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import PALETTE, panels, styled
from retrace.plot.table import label, over_seeds, require
from retrace.studies.membership.figures.bars import bars, words_below


def blocks(table: pd.DataFrame) -> pd.DataFrame:
    """The probe's bars: cell, block, and generality and risk of each seed."""
    rows = table[table["type"] == "block"]
    names = {"intensity": "block", "block_generality": "generality", "block_risk": "risk"}
    return rows[["cell", *names]].rename(columns=names)


def bars_by_quantity(
    table: pd.DataFrame,
    by: str,
    quantities: tuple[str, ...],
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """A row of panels for each quantity, a column for each cell, a bar for each value of `by`.

    For quantities of different units; bars are means over rows with Student's t intervals, and a row
    shares its axis.
    """
    require(table, ["cell", by, *quantities], "bars_by_quantity")
    cells = list(table["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells) * len(quantities), columns=len(cells), height=2.4)
        for row, name in enumerate(quantities):
            line = axes[row * len(cells) : (row + 1) * len(cells)]
            for ax in line[1:]:
                ax.sharey(line[0])
            for ax, cell in zip(line, cells, strict=True):
                means = over_seeds(table[table["cell"] == cell], [by], [name], level)
                bars(ax, means, name, 0, PALETTE[row], label(name, labels))
                words_below(ax, means, by, labels)
                if row == 0:
                    ax.set_title(label(str(cell), labels))
            line[0].set_ylabel(label(name, labels).replace(": ", ":\n"))
    return fig
