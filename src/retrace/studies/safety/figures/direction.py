"""Two distances against a number of tokens and against depth, one row of panels a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from retrace.plot.style import MUTED, colour, marker, panels, styled
from retrace.plot.table import label, over_seeds, require


def distances(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of distances of the probe."""
    return table[table["type"] == "distance"].dropna(axis="columns", how="all")


def directions(
    distances: pd.DataFrame,
    sides: Sequence[str],
    models: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """For each cell and model a panel over `tokens` (means over layers) and one over `layer` (over tokens).

    Columns cell, seed, tokens, layer (from 1), `<side>_<model>` and `start`, how many layers are the same in
    all models, drawn as a line behind the last of them. t intervals are over seeds.
    """
    columns = [f"{side}_{model}" for model in models for side in sides]
    require(distances, ["cell", "seed", "tokens", "layer", "start", *columns], "directions")
    cells = list(distances["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells) * len(models) * 2, columns=2, height=2.5)
        places = iter(axes)
        for cell in cells:
            own = distances[distances["cell"] == cell]
            tops = {axis: 1.1 * np.nanmax(own.groupby(axis)[columns].mean()) for axis in ("tokens", "layer")}
            for model in models:
                names = [f"{side}_{model}" for side in sides]
                title = (
                    label(model, labels)
                    if len(cells) == 1
                    else f"{label(cell, labels)}: {label(model, labels)}"
                )
                for axis in ("tokens", "layer"):
                    ax = next(places)
                    _lines(ax, own, axis, names, level)
                    ax.set_xlabel("tokens generated" if axis == "tokens" else "layer")
                    if axis == "tokens":
                        ax.set_xticks(sorted(own["tokens"].unique()))
                    else:
                        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
                    ax.set_ylim(0, max(float(tops[axis]), 1e-6))
                    if axis == "tokens":
                        ax.set_title(title)
                        ax.set_ylabel("distance, 1 − cos")
                    elif own["start"].iloc[0]:
                        ax.axvline(own["start"].iloc[0] + 0.5, color=MUTED, ls=":", lw=1.0)
                        ax.set_title("right of the dots: trained", fontsize=8, weight="normal", color=MUTED)
        for n, side in enumerate(sides):
            axes[0].plot([], [], color=colour(n), marker=marker(n), label=label(side, labels))
        handles, words = axes[0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=len(sides))
    return fig


def _lines(ax: Axes, own: pd.DataFrame, axis: str, names: Sequence[str], level: float) -> None:
    each = own.groupby(["seed", axis], as_index=False)[list(names)].mean()
    means = over_seeds(each, [axis], list(names), level)
    x = means[axis].to_numpy(float)
    for n, name in enumerate(names):
        low, high = (means[f"{name}_{end}"].to_numpy(float) for end in ("low", "high"))
        ax.fill_between(x, np.maximum(low, 0), high, color=colour(n), alpha=0.15, lw=0)
        ax.plot(x, means[name], color=colour(n), marker=marker(n), ms=4, mec="white", mew=0.5)
