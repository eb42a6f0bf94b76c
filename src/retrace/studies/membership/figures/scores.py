"""Clouds of many points on logarithmic axes, one panel a kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from retrace.plot.style import colour, panels, styled
from retrace.plot.table import label
from retrace.studies.membership.table import Pictures


def scores(pictures: Pictures) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """Vulnerability and learnability of single weights, first seed: (setting, kind) -> two lists."""
    first = min(seed for seed, _ in pictures.noted)
    return {
        (cell, kind): (pair[0], pair[1])
        for (seed, cell), noted in pictures.noted.items()
        if seed == first and "cwrf_3" in noted
        for kind, pair in noted["cwrf_3"]["scores"].items()
    }


def log_clouds(
    points: Mapping[tuple[str, str], tuple[Sequence[float], Sequence[float]]],
    x: str,
    y: str,
    *,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """One panel per (cell, kind) from its two lists; points that are not positive are left out.

    ValueError when there is nothing to draw.
    """
    if not points:
        raise ValueError("log_clouds: no points; run a method that scores weights")
    kinds = list(dict.fromkeys(kind for _, kind in points))
    with styled():
        fig, axes = panels(len(points), columns=min(3, len(kinds)), height=3.0)
        for ax, ((cell, kind), pair) in zip(axes, points.items(), strict=True):
            both = np.asarray(pair, dtype=float)
            both = both[:, (both > 0).all(axis=0)]
            ax.scatter(both[0], both[1], s=7, color=colour(kinds.index(kind)), alpha=0.5, lw=0)
            ax.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
            ax.set_title(f"{label(cell, labels)}: {kind}")
    return fig
