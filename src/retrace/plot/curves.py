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


def index_against_costs(
    table: pd.DataFrame,
    x: str,
    costs: Sequence[str],
    *,
    curve: str = "type",
    unit: str = "condition",
    order: str | None = "intensity",
    censored: str | None = "censored",
    facet: str | None = None,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
    log: bool = False,
    title: str = "",
) -> Figure:
    """Draw each cost against `x` (an index, or the intensity): seeds faint, means joined per `curve`.

    A row of `table` is one seed of one `unit`; means and t intervals are over the rows of a unit.
    Where `x` is the same for all seeds the interval is a band, otherwise a cross of two bars.
    Means are joined in the order of column `order` (None: of `x`). Rows whose `censored` is true are
    hollow: the cost is a lower bound. `facet` gives each of its values panels of its own, titled with it.
    `log` draws costs on a logarithmic axis.
    """
    wanted = [x, *costs, curve, unit, *(name for name in (order, facet) if name)]
    require(table, wanted, "index_against_costs")
    names = [str(n) for n in table[curve].drop_duplicates()]
    hollow = _flags(table, censored)
    facets = list(table[facet].drop_duplicates()) if facet else [None]
    with styled():
        fig, axes = panels(len(costs) * len(facets), columns=3 if len(costs) != 4 else 2)
        for ax, (part, cost) in zip(axes, product(facets, costs), strict=True):
            inside = (table[facet] == part).to_numpy() if facet else np.ones(len(table), dtype=bool)
            drawn = []
            for position, name in enumerate(names):
                rows = inside & (table[curve].astype(str) == name).to_numpy()
                if rows.any() or not facet:
                    drawn.append(_curve(ax, table[rows], hollow[rows], position, x, cost, unit, order, level))
            means = pd.concat(drawn)
            ax.set_xlim(frame(table[x][inside], means[f"{x}_low"], means[f"{x}_high"]))
            if log:
                ax.set_yscale("log")
            else:
                ax.set_ylim(frame(table[cost][inside], means[f"{cost}_low"], means[f"{cost}_high"]))
            ax.set_xlabel(label(x, labels))
            ax.set_ylabel(label(cost, labels))
            if facet and len(facets) > 1:
                ax.set_title(label(str(part), labels), loc="left")
            if table.loc[inside, [x, cost]].dropna().empty:
                ax.text(0.5, 0.5, "no data", transform=ax.transAxes, ha="center", color=MUTED)
        handles = [
            Line2D([], [], color=colour(i), marker=marker(i), label=label(n, labels))
            for i, n in enumerate(names)
        ]
        one = Line2D([], [], color=MUTED, marker="o", ls="", ms=3, alpha=0.6)
        one.set_label(f"one seed; bars and bands: {level:.0%} interval of the mean")
        handles.append(one)
        if hollow.any():
            bound = Line2D(
                [], [], color=MUTED, marker="o", ls="", ms=5, mfc="white", label="at least (censored)"
            )
            handles.append(bound)
        columns = 4 if len(axes) > 1 else 2
        fig.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), columns))
        if title:
            fig.suptitle(title, x=0.01, ha="left")
    return fig


def _flags(table: pd.DataFrame, column: str | None) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if column is None or column not in table.columns:
        return np.zeros(len(table), dtype=bool)
    return table[column].fillna(False).to_numpy(dtype=bool)


def _curve(
    ax: Axes,
    rows: pd.DataFrame,
    hollow: np.ndarray[tuple[int], np.dtype[np.bool_]],
    position: int,
    x: str,
    cost: str,
    unit: str,
    order: str | None,
    level: float,
) -> pd.DataFrame:
    """Draw the seeds, the means and the intervals of one curve; return the means and intervals."""
    hue, shape = colour(position), marker(position)
    ax.scatter(rows[x][~hollow], rows[cost][~hollow], s=9, color=hue, alpha=0.35, lw=0, zorder=2)
    ax.scatter(rows[x][hollow], rows[cost][hollow], s=11, facecolor="none", edgecolor=hue, lw=0.7, zorder=2)
    known = rows.assign(_hollow=hollow).dropna(subset=[x, cost])
    columns = list(dict.fromkeys([x, cost, "_hollow", order or x]))
    means = over_seeds(known, [unit], columns, level).sort_values(order or x, kind="stable")
    fixed = bool((known.groupby(unit)[x].nunique() <= 1).all())
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
