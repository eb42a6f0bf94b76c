"""Differences to the dense network by compressor and dimension: a heat map, grey where not measurable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, WIDTH, styled
from retrace.studies.compression.figures.words import DIMENSIONS, network, order

GREY = "#E4E4E4"
MOST = 40  # points at which the colour is full
MOVED = 10  # points by which the share of refusals must move to be marked


def heat_map(networks: pd.DataFrame, measured: Mapping[str, Sequence[str]]) -> Figure:
    """A panel a cell; columns cell, network, `score_<dimension>`, `refused_<dimension>`, a row a seed."""
    cells = list(networks["cell"].drop_duplicates())
    with styled():
        count = max(networks.groupby("cell")["network"].nunique())
        fig = Figure(figsize=(WIDTH, (1.5 + 0.26 * count) * len(cells)), layout="constrained")
        for ax, cell in zip(fig.subplots(len(cells), 1, squeeze=False).ravel(), cells, strict=True):
            own = networks[networks["cell"] == cell].dropna(axis="columns", how="all")
            shown = [name for name in DIMENSIONS if f"score_{name}" in own]
            means = own.groupby("network")[[f"score_{name}" for name in shown]].mean() * 100
            dense = means.loc["dense"]
            rest = means.drop(index="dense")
            rest = (rest - dense).loc[sorted(rest.index, key=order)]
            ax.imshow(rest.to_numpy(), aspect="auto", cmap="RdBu", vmin=-MOST, vmax=MOST)
            refused = _refused(own, shown, list(rest.index))
            for (y, x), value in np.ndenumerate(rest.to_numpy(dtype=float)):
                known = shown[x] in measured[cell]
                if not known:
                    ax.fill(
                        [x - 0.5, x + 0.5, x + 0.5, x - 0.5],
                        [y - 0.5, y - 0.5, y + 0.5, y + 0.5],
                        color=GREY,
                    )
                mark = "*" if abs(refused[y, x]) > MOVED else ""
                shade = "white" if known and abs(value) > 0.65 * MOST else MUTED if not known else "black"
                ax.text(x, y, f"{value:+.0f}{mark}", ha="center", va="center", color=shade, fontsize=7.5)
            words = [f"{DIMENSIONS[name]}\n{dense[f'score_{name}']:.0f}" for name in shown]
            ax.set_xticks(
                range(len(shown)), words, fontsize=7.5, rotation=40, ha="right", rotation_mode="anchor"
            )
            ax.set_yticks(range(len(rest)), [network(name) for name in rest.index], fontsize=8)
            ax.set_title(f"{cell}: points more or less than dense (whose score stands below)")
            ax.grid(False)
    return fig


def _refused(own: pd.DataFrame, shown: Sequence[str], names: Sequence[str]) -> npt.NDArray[np.float64]:
    """By network and dimension, points by which the share of refusals moved; 0 for likelihoods."""
    moved = np.zeros((len(names), len(shown)))
    for x, dimension in enumerate(shown):
        column = f"refused_{dimension}"
        if column in own:
            means = own.groupby("network")[column].mean() * 100
            moved[:, x] = (means.loc[list(names)] - means["dense"]).to_numpy(dtype=float)
    return moved
