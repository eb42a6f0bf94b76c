"""Pruning curves: what a network still does against the share of its units taken away, by order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from retrace.plot.style import INK, MUTED, colour, marker, panels, styled
from retrace.plot.table import frame, label, over_seeds, require
from retrace.plot.words import short

APART = 1.025  # factor by which the marks of one order stand beside those of the last
NEAR = 1.25  # factor between marks whose values would lie on each other
Beyond = tuple[float, float, float, str]  # where a mark is, the edge, its value, its colour
DOTS = (":", "--", "-.")


def against_pruned(
    networks: pd.DataFrame,
    quantities: Sequence[str],
    *,
    across: Sequence[str] = (),
    shares: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
    columns: int = 2,
) -> Figure:
    """Panels of each cell and quantity; columns cell, network, order, share and the quantities, a row a seed.

    Means over seeds with t intervals against the share pruned (logarithmic), joined by `order`. Networks
    named in `across` are lines across. Quantities in `shares` have axes from 0 to 1. Elsewhere orders of more
    than one share set the limits; a mark beyond them stands at the edge with its value.
    """
    require(networks, ["cell", "network", "order", "share", *quantities], "against_pruned")
    cells = list(networks["cell"].drop_duplicates())
    pruned = networks[networks["order"] != ""]
    orders = list(pruned["order"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells) * len(quantities), columns=columns, height=2.7)
        for ax, (cell, quantity) in zip(axes, product(cells, quantities), strict=True):
            own = pruned[pruned["cell"] == cell].dropna(subset=[quantity])
            levels = _across(ax, networks[networks["cell"] == cell], across, quantity)
            curves = [_means(own[own["order"] == o], quantity, level) for o in orders]
            if quantity in shares:  # a t interval knows no bounds
                ends = [f"{quantity}_low", f"{quantity}_high"]
                curves = [means.assign(**means[ends].clip(0, 1)) for means in curves]
            limits = (-0.04, 1.04) if quantity in shares else _limits(curves, levels, quantity)
            beyond = [m for n, means in enumerate(curves) for m in _curve(ax, means, quantity, n, limits)]
            _values(ax, sorted(beyond))
            if limits:
                ax.set_ylim(limits)
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(FixedLocator(sorted(own["share"].unique())))
            ax.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.tick_params(axis="x", labelsize=8)
            ax.set(xlabel="units pruned, %", ylabel=label(quantity, labels))
            if len(cells) > 1:
                ax.set_title(label(str(cell), labels))
        handles = [
            Line2D([], [], color=colour(n), marker=marker(n), label=label(o, labels))
            for n, o in enumerate(orders)
        ]
        handles += [
            Line2D([], [], color=MUTED, ls=DOTS[n], label=label(name, labels))
            for n, name in enumerate(across)
        ]
        fig.legend(handles=handles, loc="outside lower center", ncols=4)
    return fig


def _across(ax: Axes, own: pd.DataFrame, across: Sequence[str], quantity: str) -> list[float]:
    levels = []
    for n, name in enumerate(across):
        value = float(own.loc[own["network"] == name, quantity].mean())
        if np.isfinite(value):
            ax.axhline(value, color=MUTED if n else INK, ls=DOTS[n % len(DOTS)], lw=1.0, zorder=1)
            levels.append(value)
    return levels


def _means(rows: pd.DataFrame, quantity: str, level: float) -> pd.DataFrame:
    return over_seeds(rows, ["share"], [quantity], level).sort_values("share")


def _limits(
    curves: Sequence[pd.DataFrame], levels: Sequence[float], quantity: str
) -> tuple[float, float] | None:
    known = pd.concat([means for means in curves if len(means) > 1] or list(curves))
    return frame([*known[quantity], *levels], known[f"{quantity}_low"], known[f"{quantity}_high"])


def _curve(
    ax: Axes, means: pd.DataFrame, quantity: str, position: int, limits: tuple[float, float] | None
) -> list[Beyond]:
    """Draw an order's marks; those beyond the limits stand at the edge and are returned."""
    x = means["share"].to_numpy(float) * APART**position
    y, low, high = (means[f"{quantity}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
    hue = colour(position)
    inside = y if limits is None else np.clip(y, *limits)
    ax.vlines(x, low, high, color=hue, lw=1.0, alpha=0.45, zorder=2)
    ax.plot(x, inside, color=hue, marker=marker(position), mec="white", mew=0.6, zorder=3, clip_on=False)
    return [(float(x[n]), float(inside[n]), float(y[n]), hue) for n in np.flatnonzero(inside != y)]


def _values(ax: Axes, beyond: Sequence[Beyond]) -> None:
    """Write the values of marks at the edge outside it; of two that stand close, to either side."""
    for n, (x, edge, value, hue) in enumerate(beyond):
        close = [m for m in beyond[max(n - 1, 0) : n + 2] if m[0] != x and NEAR > m[0] / x > 1 / NEAR]
        side = 0 if not close else -1 if close[0][0] > x else 1
        ax.annotate(
            short(value),
            (x, edge),
            (2 * side, 5 if value > edge else -5),
            textcoords="offset points",
            va="bottom" if value > edge else "top",
            ha=("center", "left", "right")[side],
            fontsize=8,
            color=hue,
        )
