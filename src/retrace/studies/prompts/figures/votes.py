"""Votes poll by poll: how many the first token leads by, and what the mechanism asks for."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from retrace.plot.style import FAINT, INK, colour, panels, styled
from retrace.studies.prompts.figures.words import method, order


def over_polls(polls: pd.DataFrame, margins: pd.DataFrame) -> Figure:
    """A panel a method; columns method, poll, first, second; `margins` by method, in votes."""
    names = sorted(polls["method"].unique(), key=order)
    with styled():
        fig, axes = panels(len(names), columns=3, height=2.3)
        for ax, name in zip(axes, names, strict=True):
            own = polls[polls["method"] == name]
            ax.vlines(own["poll"], own["second"], own["first"], color=FAINT, lw=1)
            ax.plot(own["poll"], own["first"], "o", color=colour(0), ms=3, label="first")
            ax.plot(own["poll"], own["second"], "s", color=colour(1), ms=2.5, label="second")
            margin = margins.loc[margins["method"] == name, "margin"]
            if len(margin):
                ax.axhline(
                    min(float(margin.mean()), 1.15 * float(own["voters"].max())), color=INK, ls=":", lw=1
                )
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
            ax.set(
                xlabel="poll", ylabel="votes", title=method(name), ylim=(0, 1.2 * float(own["voters"].max()))
            )
        handles, words = axes[0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=2)
    return fig
