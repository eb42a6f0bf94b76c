"""What is left of the backdoor by the part of its change that is taken out."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import INK, MUTED, WIDTH, colour, marker, styled
from retrace.studies.backdoor.figures.rows import cells_of, curve, of_networks
from retrace.studies.backdoor.figures.words import LABELS

ACROSS = ("none", "zero_attention", "zero_mlp", "permuted_mlp")
KINDS = ("zero_mlp", "zero_both")
DASHES = ("-", ":", "--", "-.")
QUANTITIES = ("first_hit", "first_reach")


def by_blocks(table: pd.DataFrame) -> Figure:
    """A row of panels a cell (success, likelihood): curves over blocks, other networks across."""
    cells = cells_of(table)
    names = list(table["network"].dropna().unique())
    with styled():
        fig = Figure(figsize=(WIDTH, 0.6 + 3.0 * len(cells)), layout="constrained")
        grid = fig.subplots(len(cells), 2, squeeze=False)
        for line, cell in zip(grid, cells, strict=True):
            for ax, quantity in zip(line, QUANTITIES, strict=True):
                for place, kind in enumerate(KINDS):
                    own = sorted((n for n in names if _count(n, kind)), key=lambda n: _count(n, kind))
                    means = of_networks(table, cell, own, [quantity])
                    word = "last MLP blocks' change out" if kind == "zero_mlp" else LABELS[kind]
                    x = [_count(str(n), kind) for n in means.index]
                    curve(ax, x, means, quantity, colour(place), marker(place), word)
                across = of_networks(table, cell, ACROSS, [quantity])
                for dash, (name, row) in zip(DASHES, across.iterrows(), strict=False):
                    hue = INK if name == "none" else MUTED
                    ax.axhline(row[quantity], color=hue, ls=dash, lw=1.1, label=LABELS[str(name)], zorder=1)
                word = quantity.removeprefix("first_")
                ax.set_xticks(sorted({_count(n, kind) for n in names for kind in KINDS} - {0}))
                ax.set(xlabel="last MLP blocks taken out", ylabel=LABELS[word])
                if word == "hit":
                    ax.set_ylim(-0.04, 1.04)
                if len(cells) > 1:
                    ax.set_title(cell)
        handles, words = grid[0][0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=3)
    return fig


def _count(name: str, kind: str) -> int:
    """Blocks taken out, from a network's name; 0 for others."""
    rest = name.removeprefix(f"{kind}_")
    return int(rest) if rest != name and rest.isdigit() else 0
