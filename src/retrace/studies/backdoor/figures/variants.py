"""Without repair: the backdoor by the share of channels silenced, and by the number of variants."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import INK, WIDTH, colour, marker, styled
from retrace.studies.backdoor.figures.rows import cells_of, curve, of_networks
from retrace.studies.backdoor.figures.words import LABELS, ORDERS


def by_share_and_number(table: pd.DataFrame) -> Figure:
    """A row of three panels a cell: success and the sentence's likelihood by share, and by variants."""
    cells = cells_of(table)
    names = list(table["network"].dropna().unique())
    with styled():
        fig = Figure(figsize=(WIDTH, 0.6 + 3.0 * len(cells)), layout="constrained")
        grid = fig.subplots(len(cells), 3, squeeze=False)
        for line, cell in zip(grid, cells, strict=True):
            for ax, quantity in zip(line[:2], ("first_hit", "first_reach"), strict=True):
                for place, order in enumerate(ORDERS):
                    own = sorted(
                        (n for n in names if _end(n, f"{order}_")), key=lambda n: _end(n, f"{order}_")
                    )
                    means = of_networks(table, cell, own, [quantity])
                    x = [_end(str(n), f"{order}_") / 10 for n in means.index]
                    curve(ax, x, means, quantity, colour(place), marker(place), LABELS[order])
                ax.set(xlabel="channels silenced, %", ylabel=LABELS[quantity.removeprefix("first_")])
            line[0].set_ylim(-0.04, 1.04)
            counts = table.dropna(subset=["variants"]).groupby("network")["variants"].first().sort_values()
            means = of_networks(table, cell, [str(n) for n in counts.index], ["first_reach"])
            x = [int(counts[n]) for n in means.index]
            curve(line[2], x, means, "first_reach", colour(0), marker(0), LABELS["vax"])
            line[2].set(xlabel="variants", ylabel=LABELS["reach"], xticks=x)
            for ax in line[1:]:
                level = of_networks(table, cell, ["none"], ["first_reach"])["first_reach"]
                ax.axhline(float(level.iloc[0]), color=INK, lw=1, ls=":", label=LABELS["none"], zorder=1)
            if len(cells) > 1:
                line[0].set_title(cell)
        handles, words = grid[0][1].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=4)
    return fig


def _end(name: str, start: str) -> int:
    """The number that ends a network's name after `start`; 0 for others."""
    rest = name.removeprefix(start)
    return int(rest) if rest != name and rest.isdigit() else 0
