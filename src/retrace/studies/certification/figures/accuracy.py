"""Quantities against the share of weights that is kept: one panel a quantity, one curve a method."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from retrace.plot.style import MUTED, colour, marker, panels, styled
from retrace.plot.table import frame, label, over_seeds, require
from retrace.studies.certification.figures.rows import in_order
from retrace.studies.certification.figures.words import CURVES

APART = 1.015  # factor by which the marks of one method stand beside those of the last


def curves(table: pd.DataFrame) -> pd.DataFrame:
    """The states of the methods that curves are drawn of, in the order of `CURVES`."""
    states = table[(table["type"] == "state") & table["method"].isin(CURVES)]
    return in_order(states)


def layers(states: pd.DataFrame) -> list[str]:
    """The columns `unstable_<layer>`, from the first layer to the last."""
    numbers = [found[1] for c in states.columns if (found := re.fullmatch(r"unstable_(\d+)", c))]
    return [f"unstable_{number}" for number in sorted(numbers, key=int)]


def against_kept(
    states: pd.DataFrame,
    quantities: Sequence[str],
    *,
    lines: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
    columns: int = 3,
) -> Figure:
    """One row of panels a cell; columns cell, method, kept, kept_whole and the quantities, a row a seed
    and state.

    Quantities are shares. Means over seeds joined from dense to sparse, t intervals as bars, each method a
    little to the left of the one before. Methods with a single state that
    keeps all weights are dense rivals; a dotted line across for those of `lines`.
    """
    require(states, ["cell", "method", "state", "kept", "kept_whole", *quantities], "against_kept")
    cells = list(states["cell"].drop_duplicates())
    methods = list(states["method"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells) * len(quantities), columns=columns, height=2.9)
        for ax, (cell, quantity) in zip(axes, product(cells, quantities), strict=True):
            inside = states[states["cell"] == cell]
            drawn = []
            for position, method in enumerate(methods):
                rows = inside[inside["method"] == method].dropna(subset=[quantity])
                if len(rows):
                    drawn.append(_curve(ax, rows, quantity, position, method in lines, level))
            ends = pd.concat(drawn)
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(FixedLocator([1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01]))
            ax.xaxis.set_major_formatter(FuncFormatter(lambda kept, _: f"{kept:g}"))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.invert_xaxis()
            known = inside[quantity].dropna()
            limits = frame(known, ends[f"{quantity}_low"], ends[f"{quantity}_high"])
            if limits:
                ax.set_ylim(max(limits[0], -0.03), min(limits[1], 1.03))
            ax.set(xlabel=f"kept share of conv. weights\n({_whole(inside)})", ylabel=label(quantity, labels))
            if len(cells) > 1:
                ax.set_title(label(str(cell), labels))
        handles = [
            Line2D([], [], color=colour(i), marker=marker(i), label=label(m, labels))
            for i, m in enumerate(methods)
        ]
        handles.append(Line2D([], [], color=MUTED, ls=":", label="dense, across"))
        fig.legend(handles=handles, loc="outside lower center", ncols=4)
    return fig


def _whole(states: pd.DataFrame) -> str:
    """What the smallest share means for the whole network, whose linear layers are not pruned."""
    least = states[states["kept"] == states["kept"].min()]
    return f"{least['kept'].mean():.1%} kept: {least['kept_whole'].mean():.0%} of all weights"


def _curve(
    ax: Axes, rows: pd.DataFrame, quantity: str, position: int, across: bool, level: float
) -> pd.DataFrame:
    means = over_seeds(rows, ["state"], ["kept", quantity], level).sort_values("kept", ascending=False)
    hue, shape = colour(position), marker(position)
    x, y = means["kept"].to_numpy(float), means[quantity].to_numpy(float)
    low, high = means[f"{quantity}_low"].to_numpy(float), means[f"{quantity}_high"].to_numpy(float)
    if across:
        ax.axhline(y[0], color=hue, ls=":", lw=1.1, zorder=1)
    x = x * APART**position
    ax.vlines(x, np.maximum(low, 0.0), np.minimum(high, 1.0), color=hue, lw=1.0, alpha=0.45, zorder=2)
    ax.plot(x, y, color=hue, marker=shape, mec="white", mew=0.6, zorder=3)
    return means
