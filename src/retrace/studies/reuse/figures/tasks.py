"""Scatter of an index against a cost with every point named, and the measured correlation in the title."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.plot.labels import annotate
from retrace.plot.style import colour, marker, panels, styled
from retrace.plot.table import frame, label, over_seeds, require
from retrace.plot.words import short, span


def agreement(verdicts: PaperVerdict, claim: str) -> tuple[str, float, tuple[float, float]] | None:
    """Name, estimate and interval of a claim's statistic, as judged; None where it was not measured."""
    found = next((c for c in verdicts.claims if c.id == claim), None)
    if not found or found.statistic is None or found.measured is None or not found.interval:
        return None
    low, high = found.interval
    return (
        None if low is None or high is None else (found.statistic.capitalize(), found.measured, (low, high))
    )


def named_scatter(
    table: pd.DataFrame,
    index: str,
    cost: str,
    *,
    point: str = "condition",
    group: str | None = None,
    agreement: tuple[str, float, tuple[float, float]] | None = None,
    level: float = 0.95,
    names: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    title: str = "",
) -> Figure:
    """One named point per value of `point`: means over seeds with t intervals, coloured by `group`.

    `agreement` is (name, estimate, interval), such as ("Spearman", 0.66, (0.2, 0.9)), as the verdict
    has it; the figure never computes its own, so page and figure cannot disagree. `names` maps a
    value of `point` to its words (default: what follows the first colon).
    """
    require(table, [index, cost, point, *([group] if group else [])], "named_scatter")
    known = table.dropna(subset=[index, cost])
    if known.empty:
        raise ValueError(f"named_scatter: no row has both {index} and {cost}; measure them first")
    means = over_seeds(known, [*([group] if group else []), point], list(dict.fromkeys([index, cost])), level)
    texts = [(names or {}).get(str(p), str(p).split(":", 1)[-1]) for p in means[point]]
    kinds = list(means[group].drop_duplicates()) if group else [None]
    with styled():
        fig, (ax,) = panels(1, height=4.4)
        for position, kind in enumerate(kinds):
            rows = means[means[group] == kind] if group else means
            hue = colour(position)
            ax.vlines(rows[index], rows[f"{cost}_low"], rows[f"{cost}_high"], color=hue, lw=0.9, alpha=0.4)
            ax.hlines(rows[cost], rows[f"{index}_low"], rows[f"{index}_high"], color=hue, lw=0.9, alpha=0.4)
            ax.plot(
                rows[index],
                rows[cost],
                marker(position),
                color=hue,
                ms=6.5,
                mec="white",
                mew=0.7,
                zorder=3,
                label=label(str(kind), labels),
            )
        ax.set(xlabel=label(index, labels), ylabel=label(cost, labels))
        ax.set_xlim(frame(means[index], means[f"{index}_low"], means[f"{index}_high"]))
        ax.set_ylim(frame(means[cost], means[f"{cost}_low"], means[f"{cost}_high"]))
        if group:
            ax.legend(title=label(group, labels), alignment="left")
        if agreement:
            name, estimate, interval = agreement
            found = f"{name} {short(estimate)} {span(interval)}, {level:.0%} interval"
            title = f"{title}\n{found}" if title else found
        ax.set_title(title)
        annotate(fig, ax, means[index].to_list(), means[cost].to_list(), texts)
    return fig
