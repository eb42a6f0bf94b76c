"""Suspicious, purified, and after a further clean fine-tuning: does the backdoor return?"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import WIDTH, colour, marker, styled
from retrace.studies.backdoor.figures.rows import cells_of, curve, of_networks
from retrace.studies.backdoor.figures.words import LABELS

STEPS = ("nothing done", "purified", "fine-tuned again")
QUANTITIES = ("first_hit", "first_false", "first_margin")


def over_steps(table: pd.DataFrame) -> Figure:
    """A row of panels a cell, a panel a quantity; a line for BD-VAX and one for the own norm."""
    cells = cells_of(table)
    with styled():
        fig = Figure(figsize=(WIDTH, 0.6 + 2.9 * len(cells)), layout="constrained")
        grid = fig.subplots(len(cells), len(QUANTITIES), squeeze=False)
        for line, cell in zip(grid, cells, strict=True):
            for ax, quantity in zip(line, QUANTITIES, strict=True):
                for place, name in enumerate(("vax", "own")):
                    steps = ["none", name, f"{name}_again"]
                    means = of_networks(table, cell, steps, [quantity])
                    x = [steps.index(str(n)) + 0.06 * place for n in means.index]
                    curve(ax, x, means, quantity, colour(place), marker(place), LABELS[name])
                ax.set_xticks(range(len(STEPS)), STEPS, fontsize=8, rotation=15)
                word = quantity.removeprefix("first_")
                ax.set_ylabel(LABELS[word])
                if word != "margin":
                    ax.set_ylim(-0.04, 1.04)
            if len(cells) > 1:
                line[0].set_title(cell)
        handles, words = grid[0][0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=2)
    return fig
