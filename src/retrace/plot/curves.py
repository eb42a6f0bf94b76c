"""Index-against-cost panels: one panel a cost, one curve a corruption type, every seed a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from retrace.plot.style import MUTED, colour, marker, panels, styled
from retrace.plot.table import frame, label, over_seeds, require

LEVEL = 0.95
UNIT = "condition"  # means and intervals are over the rows of one


def index_against_costs(
    table: pd.DataFrame,
    x: str,
    costs: Sequence[str],
    *,
    curve: str = "type",
    order: str = "intensity",
    facet: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Draw each cost against `x` (an index, or the intensity): seeds faint, means joined per `curve`.

    A row of `table` is one seed of one condition; means and 95 % t intervals are over the rows of a
    condition. Where `x` is the same for all seeds the interval is a band, otherwise a cross of two bars.
    Means are joined in the order of column `order`. Rows whose `censored` is true (if there is such a
    column) are hollow: the cost is a lower bound; those whose `at_first_check` is true point down: it is an
    upper bound. Both are counted in the legend. `facet` gives each of its values panels of its own,
    titled with it.
    """
    wanted = [x, *costs, curve, UNIT, order, *([facet] if facet else [])]
    require(table, wanted, "index_against_costs")
    names = [str(n) for n in table[curve].drop_duplicates()]
    table = table.assign(_hollow=_true(table, "censored"), _most=_true(table, "at_first_check"))
    facets = list(table[facet].drop_duplicates()) if facet else [None]
    with styled():
        fig, axes = panels(len(costs) * len(facets), columns=3 if len(costs) != 4 else 2)
        for ax, (part, cost) in zip(axes, product(facets, costs), strict=True):
            inside = table[table[facet] == part] if facet else table
            drawn = []
            for position, name in enumerate(names):
                rows = inside[inside[curve].astype(str) == name]
                if len(rows) or not facet:
                    drawn.append(_curve(ax, rows, position, x, cost, order))
            means = pd.concat(drawn)
            ax.set_xlim(frame(inside[x], means[f"{x}_low"], means[f"{x}_high"]))
            ax.set_ylim(frame(inside[cost], means[f"{cost}_low"], means[f"{cost}_high"]))
            ax.set_xlabel(label(x, labels))
            ax.set_ylabel(label(cost, labels))
            if len(facets) > 1:
                ax.set_title(label(str(part), labels), loc="left")
            if inside[[x, cost]].dropna().empty:
                ax.text(0.5, 0.5, "no data", transform=ax.transAxes, ha="center", color=MUTED)
        handles = [
            Line2D([], [], color=colour(i), marker=marker(i), label=label(n, labels))
            for i, n in enumerate(names)
        ]
        one = Line2D([], [], color=MUTED, marker="o", ls="", ms=3, alpha=0.6)
        one.set_label(f"one seed; bars and bands: {LEVEL:.0%} interval of the mean")
        handles.append(one)
        bounds = (("_hollow", "o", "at least (censored)"), ("_most", "v", "at most (ended at first check)"))
        for column, shape, words in bounds:
            if count := int(table[column].sum()):
                said = f"{words}: {count} of {len(table)}"
                handles.append(
                    Line2D([], [], color=MUTED, marker=shape, ls="", ms=5, mfc="white", label=said)
                )
        short = len(names) + 1  # entries but for those that count bounds, whose words are long
        columns = 4 if len(axes) > 1 and len(handles) == short else 2
        fig.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), columns))
    return fig


def _curve(ax: Axes, rows: pd.DataFrame, position: int, x: str, cost: str, order: str) -> pd.DataFrame:
    """Draw the seeds, the means and the intervals of one curve; return the means and intervals."""
    hue, shape = colour(position), marker(position)
    most = rows[rows["_most"]]
    whole, least = rows[~rows["_hollow"] & ~rows["_most"]], rows[rows["_hollow"]]
    ax.scatter(whole[x], whole[cost], s=9, color=hue, alpha=0.35, lw=0, zorder=2)
    ax.scatter(least[x], least[cost], s=11, facecolor="none", edgecolor=hue, lw=0.7, zorder=2)
    ax.scatter(most[x], most[cost], s=11, marker="v", facecolor="none", edgecolor=hue, lw=0.7, zorder=2)
    known = rows.dropna(subset=[x, cost])
    columns = list(dict.fromkeys([x, cost, "_hollow", order]))
    means = over_seeds(known, [UNIT], columns, LEVEL).sort_values(order, kind="stable")
    fixed = bool((known.groupby(UNIT)[x].nunique() <= 1).all())
    mx, my = means[x].to_numpy(float), means[cost].to_numpy(float)
    low, high = means[f"{cost}_low"].to_numpy(float), means[f"{cost}_high"].to_numpy(float)
    if fixed:
        ax.fill_between(mx, low, high, color=hue, alpha=0.14, lw=0, zorder=1)
    else:
        ax.vlines(mx, low, high, color=hue, lw=1.0, alpha=0.55, zorder=2)
        ax.hlines(my, means[f"{x}_low"], means[f"{x}_high"], color=hue, lw=1.0, alpha=0.55, zorder=2)
    ax.plot(mx, my, color=hue, lw=1.4, alpha=0.85, zorder=3)
    bound = means["_hollow"].to_numpy(float) > 0
    ax.plot(mx[~bound], my[~bound], shape, color=hue, mec="white", mew=0.6, zorder=4)
    ax.plot(mx[bound], my[bound], shape, mfc="white", mec=hue, mew=1.2, zorder=4)
    return means


def _true(table: pd.DataFrame, column: str) -> np.ndarray:
    """Which rows are true in a column that may be missing, (n,) bool."""
    found = table[column].fillna(False) if column in table.columns else np.zeros(len(table))
    return np.asarray(found, dtype=bool)
