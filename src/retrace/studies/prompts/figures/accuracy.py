"""Gain over the initial instruction against epsilon: private methods as curves, others as lines across."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from retrace.plot.style import MUTED, colour, marker, panels, styled
from retrace.plot.table import over_seeds
from retrace.studies.prompts.figures.words import ACROSS, LABELS

KINDS = ("dp", "poisson", "pool", "soft")
DASHES = (":", "--", "-.", (0, (1, 1, 4, 1)), (0, (5, 1)))


def against_epsilon(methods: pd.DataFrame) -> Figure:
    """A panel a cell; columns cell, method, epsilon, gain, right, a row a seed."""
    cells = list(methods["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=2, height=3.2)
        for ax, cell in zip(axes, cells, strict=True):
            own = methods[methods["cell"] == cell]
            for place, kind in enumerate(KINDS):
                some = own[own["method"].str.startswith(f"{kind}_") & own["epsilon"].notna()]
                if some.empty:
                    continue
                means = over_seeds(some, ["epsilon"], ["gain"], 0.95).sort_values("epsilon")
                x = means["epsilon"] * (0.94 + 0.04 * place)
                ax.vlines(x, means["gain_low"], means["gain_high"], color=colour(place), lw=1, alpha=0.5)
                ax.plot(x, means["gain"], color=colour(place), marker=marker(place), label=LABELS[kind])
            for place, name in enumerate(ACROSS):
                level = own.loc[own["method"] == name, "gain"].mean()
                shade = colour(place + len(KINDS)) if place < len(KINDS) else MUTED
                ax.axhline(level, color=shade, ls=DASHES[place], lw=1.2, label=LABELS[name], zorder=1)
            zero = own.loc[own["method"] == "zero", "right"].mean()
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(FixedLocator(sorted(own["epsilon"].dropna().unique())))
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.set(xlabel="epsilon", ylabel=LABELS["gain"], title=f"{cell} (initial: {zero:.2f})")
        handles, words = axes[0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=3)
    return fig
