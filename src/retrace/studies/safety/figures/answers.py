"""What becomes of requests, network by network: stacked shares of refused, met and broken answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from retrace.plot.style import FAINT, PALETTE, WIDTH, styled
from retrace.plot.table import label, require
from retrace.studies.safety.figures.rows import in_words

HUES = (PALETTE[0], PALETTE[1], FAINT)
HATCHES = ("", "", "////")


def answers(table: pd.DataFrame) -> pd.DataFrame:
    """Shares of answers by network, with those met; of the pruned ones only those with a role."""
    rows = in_words(table)
    rows = rows[rows["named"]]
    return rows.assign(
        benign_met=1 - rows["benign_refused"] - rows["benign_broken"],
        lookalike_met=1 - rows["lookalike_refused"] - rows["lookalike_broken"],
    )


def outcomes(
    shares: pd.DataFrame,
    kinds: Mapping[str, Sequence[str]],
    outcomes: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """A row a network, a column of panels a kind of request; a block of rows a cell.

    Columns cell, network and those that `kinds` names for each kind, in the order of `outcomes` (three at
    most, the last hatched: broken). Bars are means over rows, "not asked" where there are none. ValueError
    when the table lacks a column.
    """
    columns = [name for names in kinds.values() for name in names]
    require(shares, ["cell", "network", *columns], "outcomes")
    means = shares.groupby(["cell", "network"], sort=False)[columns].mean()
    cells = list(shares["cell"].drop_duplicates())
    counts = [len(means.loc[cell]) for cell in cells]
    with styled():
        fig = Figure(figsize=(WIDTH, 0.9 + sum(0.5 + 0.23 * n for n in counts)), layout="constrained")
        grid = fig.subplots(len(cells), len(kinds), sharex=True, squeeze=False, height_ratios=counts)
        for line, cell in zip(grid, cells, strict=True):
            own = means.loc[cell]
            places = np.arange(len(own))
            for ax, (kind, names) in zip(line, kinds.items(), strict=True):
                left = np.zeros(len(own))
                for name, hue, hatch in zip(names, HUES, HATCHES, strict=False):
                    width = own[name].to_numpy(float)
                    ax.barh(places, width, 0.74, left, color=hue, hatch=hatch, edgecolor="white", lw=0.3)
                    left += width
                for place in places[np.isnan(left)]:
                    ax.text(0.02, place, "not asked", va="center", color=FAINT)
                ax.set(xlim=(0, 1), ylim=(len(own) - 0.4, -0.6))
                ax.set_title(label(kind, labels) if len(cells) == 1 else f"{cell}: {label(kind, labels)}")
                ax.set_yticks([])
                ax.grid(False)
            line[0].set_yticks(places, [label(name, labels) for name in own.index])
        handles = [
            Patch(facecolor=hue, hatch=hatch, edgecolor="white", label=label(name, labels))
            for name, hue, hatch in zip(outcomes, HUES, HATCHES, strict=False)
        ]
        fig.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return fig
