"""Epsilon against tokens at the paper's setting, by accountant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from retrace.plot.style import INK, colour, panels, styled
from retrace.studies.prompts.figures.words import LABELS

TARGET = 8.0


def by_accountant(curves: Mapping[str, Sequence[float]]) -> Figure:
    """One curve an accountant; `tokens` are the abscissae."""
    with styled():
        fig, (ax,) = panels(1, height=3.4)
        for place, name in enumerate(("proven", "exact", "official")):
            ax.plot(
                curves["tokens"],
                curves[name],
                color=colour(place),
                label=LABELS[name],
                ls=("-", "--", "-.")[place],
            )
        ax.axhline(TARGET, color=INK, lw=0.9, ls=":")
        ax.set(xlabel="tokens", ylabel="epsilon", xlim=(0, max(curves["tokens"])), ylim=(0, None))
        ax.legend()
    return fig
