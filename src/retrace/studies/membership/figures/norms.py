"""Histograms of a quantity for members and non-members, one panel a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from retrace.plot.style import PALETTE, panels, styled
from retrace.plot.table import label
from retrace.studies.membership.table import Pictures

FLAT = 1e-3  # relative spread below which a histogram would show rounding errors


def histograms(pictures: Pictures, shown: Sequence[str]) -> dict[tuple[str, str], dict[str, list[float]]]:
    """Norm histograms of the first seed where a ring was tried: (setting, method) -> edges and counts."""
    first = min(seed for seed, _ in pictures.attacked)
    return {
        (cell, method): attacked[method]["norms"]
        for (seed, cell), attacked in pictures.attacked.items()
        if seed == first and "srcm" in attacked
        for method in shown
        if method in attacked
    }


def norm_histograms(
    histograms: Mapping[tuple[str, str], Mapping[str, Sequence[float]]],
    *,
    quantity: str = "norm of the representation",
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """One panel per (cell, method), from `edges` (B+1) and the counts `members`, `non_members` (B).

    Densities, so that unequal numbers can be compared; ValueError when there is nothing to draw.
    """
    if not histograms:
        raise ValueError("norm_histograms: no histogram; run the attack stage of a cell with norms")
    with styled():
        fig, axes = panels(len(histograms), columns=3, height=2.6)
        several = len({cell for cell, _ in histograms}) > 1
        for ax, ((cell, method), found) in zip(axes, histograms.items(), strict=True):
            edges = np.asarray(found["edges"], dtype=float)
            if edges[-1] - edges[0] < FLAT * abs(edges).max():
                ax.axvline(edges.mean(), color=PALETTE[2], lw=2, label=f"all at {edges.mean():.3g}")
                ax.set(xlim=(0.8 * edges.mean(), 1.2 * edges.mean()))
                ax.legend(loc="best", fontsize=8)
                edges = np.full_like(edges, np.nan)
            for name, hue in zip(("members", "non_members"), PALETTE, strict=False):
                if not np.isfinite(edges).all():
                    continue
                counts = np.asarray(found[name], dtype=float)
                density = counts / max(counts.sum(), 1) / np.diff(edges)
                ax.stairs(density, edges, color=hue, fill=True, alpha=0.35)
                ax.stairs(density, edges, color=hue, label=label(name, labels))
            title = f"{label(cell, labels)}:\n{label(method, labels)}" if several else label(method, labels)
            ax.set(xlabel=quantity, title=title)
            ax.set_yticks([])
        axes[0].legend(loc="best", fontsize=8)
    return fig
