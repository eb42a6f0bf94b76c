"""Score against bits, a panel a dimension: what each quantizer keeps."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, colour, marker, panels, styled
from retrace.plot.table import over_seeds
from retrace.studies.compression.figures.words import DIMENSIONS, METHODS

WITHIN = 5  # points that count as kept
QUANTIZERS = ("rtn", "awq", "gptq")


def against_bits(networks: pd.DataFrame, measured: Sequence[str]) -> Figure:
    """Of one cell; columns network, method, bits, `score_<dimension>`, a row a seed."""
    shown = [name for name in DIMENSIONS if f"score_{name}" in networks]
    with styled():
        fig, axes = panels(len(shown), columns=3, height=2.1)
        for place_of, (ax, name) in enumerate(zip(axes, shown, strict=True)):
            column = f"score_{name}"
            own = networks.assign(points=100 * networks[column])
            dense = float(own.loc[own["network"] == "dense", "points"].mean())
            ax.axhline(dense, color=MUTED, lw=1.2)
            for side in (-WITHIN, WITHIN):
                ax.axhline(dense + side, color=MUTED, lw=0.8, ls="--")
            for place, method in enumerate(QUANTIZERS):
                some = own[(own["method"] == method) & own["bits"].notna()]
                if some.empty:
                    continue
                means = over_seeds(some, ["bits"], ["points"], 0.95).sort_values("bits")
                x = means["bits"] + 0.12 * (place - 1)
                ax.vlines(x, means["points_low"], means["points_high"], color=colour(place), lw=1, alpha=0.6)
                ax.plot(x, means["points"], color=colour(place), marker=marker(place), label=METHODS[method])
            mark = "" if name in measured else "\n(not measurable)"
            ax.set(
                xticks=sorted(own["bits"].dropna().unique()), ylim=(0, 105), title=f"{DIMENSIONS[name]}{mark}"
            )
            ax.title.set_fontsize(8.5)
            if place_of > len(shown) - 4:
                ax.set_xlabel("bits")
            if mark:
                ax.title.set_color(MUTED)
        handles, words = axes[0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=len(words))
        fig.supylabel("score (points)", fontsize=10)
    return fig
