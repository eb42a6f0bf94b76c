"""Learning curves: the share of errors while networks learn, with intervals over seeds."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.plot.style import MARKERS, colour, panels, styled
from retrace.plot.table import label, over_seeds, require
from retrace.studies.memory.figures.rows import main_name
from retrace.studies.memory.figures.words import MAIN
from retrace.studies.memory.table import Pictures

DASHES = ("-", "--", ":")


def main_curves(pictures: Pictures) -> pd.DataFrame:
    """Learning curves of the main networks: cell, curve, seed, step, errors."""
    parts = [
        pd.DataFrame(
            {
                "cell": cell,
                "curve": main_name(name),
                "seed": seed,
                "step": curve["steps"],
                "errors": curve["errors"],
                "stopped": curve["stopped"],
            }
        )
        for (seed, cell), found in pictures.curves.items()
        for name, curve in found.items()
        if main_name(name)
    ]
    together = pd.concat(parts, ignore_index=True)
    return together.sort_values("curve", key=lambda names: names.map(MAIN.index), kind="stable")


def learning_curves(
    curves: pd.DataFrame, *, labels: Mapping[str, str] | None = None, level: float = 0.95
) -> Figure:
    """One panel a cell, one line a `curve`: mean `errors` at each `step` and its t interval over `seed`s.

    Where some seeds have stopped early their last value is held; a dot ends a line if all seeds `stopped`.
    """
    require(curves, ["cell", "curve", "seed", "step", "errors", "stopped"], "learning_curves")
    cells = list(curves["cell"].drop_duplicates())
    names = list(curves["curve"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=2, height=2.9)
        for ax, cell in zip(axes, cells, strict=True):
            own = curves[curves["cell"] == cell]
            for position, name in enumerate(names):
                _line(ax, own[own["curve"] == name], position, level)
            ax.set(xlabel="optimiser steps", ylabel="share of errors", title=label(str(cell), labels))
            ax.set_ylim(bottom=0)
        for position, name in enumerate(names):
            axes[0].plot([], [], color=colour(position), ls=_dash(position), label=label(name, labels))
        handles, words = axes[0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=3)
    return fig


def _line(ax: Axes, rows: pd.DataFrame, position: int, level: float) -> None:
    if rows.empty:
        return
    wide = rows.pivot_table(index="step", columns="seed", values="errors", sort=True).ffill()
    tall = wide.reset_index().melt("step", value_name="errors").dropna()
    means = over_seeds(tall.sort_values("step", kind="stable"), ["step"], ["errors"], level)
    hue = colour(position)
    ax.plot(means["step"], means["errors"], color=hue, ls=_dash(position), lw=1.4)
    # an error is never negative, though the interval of its mean may be
    ax.fill_between(
        means["step"],
        means["errors_low"].clip(lower=0),
        means["errors_high"].clip(upper=1),
        color=hue,
        alpha=0.1,
        lw=0,
    )
    end = rows["step"].max()
    if rows["stopped"].all():
        ax.plot(
            end,
            means["errors"].iloc[-1],
            MARKERS[0],
            color=hue,
            mec="white",
            mew=0.6,
            clip_on=False,
            zorder=5,
        )


def _dash(position: int) -> str:
    return DASHES[position // 8 % len(DASHES)]
