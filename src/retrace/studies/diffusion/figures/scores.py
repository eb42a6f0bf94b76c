"""Histograms of membership scores before and after tuning, a panel a tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from retrace.plot.style import colour, panels, styled
from retrace.plot.table import label
from retrace.studies.diffusion.figures.rows import untuned_first

Counts = dict[str, tuple[list[float], list[float], list[float]]]  # tuning -> edges, members, others


def summed(curves: Sequence[Mapping[str, Any]]) -> Counts:
    """Counts over all seeds and cells by tuning."""
    found: Counts = {}
    for one in curves:
        for name in sorted((n for n, value in one.items() if isinstance(value, dict)), key=untuned_first):
            value = one[name]
            before = found.get(
                name, (one["bins"], [0.0] * len(value["members"]), [0.0] * len(value["others"]))
            )
            both = [
                np.add(old, value[of]).tolist()
                for old, of in zip(before[1:], ("members", "others"), strict=True)
            ]
            found[name] = (one["bins"], both[0], both[1])
    return found


def histograms(counts: Counts, *, labels: Mapping[str, str] | None = None) -> Figure:
    """Shares of members and of others by score, standard deviations of the untuned model's non-members."""
    with styled():
        fig, axes = panels(len(counts), columns=2, height=2.5)
        for ax, (name, (edges, members, others)) in zip(axes, counts.items(), strict=True):
            for place, (word, values) in enumerate((("non-members", others), ("members", members))):
                share = np.asarray(values) / max(sum(values), 1)
                ax.stairs(
                    share,
                    edges,
                    fill=place == 0,
                    color=colour(place),
                    alpha=0.45 if place == 0 else 1,
                    label=word,
                )
            ax.set(xlabel="score (SD of pretrained, non-members)", ylabel="share", title=label(name, labels))
        axes[0].legend(loc="upper left")
    return fig
