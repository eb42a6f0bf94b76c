"""Accuracy against epsilon: private methods as curves, the others as lines across."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from retrace.plot.style import colour, marker, panels, styled
from retrace.plot.table import over_seeds
from retrace.studies.prompts.figures.words import ACROSS, LABELS

DASHES = (":", "--", "-.", (0, (1, 1, 4, 1)))


def against_epsilon(methods: pd.DataFrame) -> Figure:
    """A panel a cell; columns cell, method, epsilon, right, a row a seed."""
    cells = list(methods["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=2, height=3.2)
        for ax, cell in zip(axes, cells, strict=True):
            own = methods[methods["cell"] == cell]
            kinds = [
                kind for kind in ("dp", "pool", "soft") if own["method"].str.startswith(f"{kind}_").any()
            ]
            for place, kind in enumerate(kinds):
                means = over_seeds(
                    own[own["method"].str.startswith(f"{kind}_")], ["epsilon"], ["right"], 0.95
                )
                means = means.sort_values("epsilon")
                x = means["epsilon"] * (1.03 if place else 0.97)
                ax.vlines(x, means["right_low"], means["right_high"], color=colour(place), lw=1, alpha=0.5)
                ax.plot(x, means["right"], color=colour(place), marker=marker(place), label=LABELS[kind])
            for place, name in enumerate(ACROSS):
                level = own.loc[own["method"] == name, "right"].mean()
                ax.axhline(
                    level, color=colour(place + 2), ls=DASHES[place], lw=1.2, label=LABELS[name], zorder=1
                )
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(FixedLocator(sorted(own["epsilon"].dropna().unique())))
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.set(xlabel="epsilon", ylabel=LABELS["right"], title=str(cell))
        handles, words = axes[0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=3)
    return fig
