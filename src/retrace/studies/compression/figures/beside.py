"""What stands beside the scores: one answer to everything, answers that cannot be read, and both sexes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import WIDTH, styled
from retrace.studies.compression.figures.words import DIMENSIONS, network, order

SEXES = {"demographic": "fairness: parity", "odds": "fairness: odds"}
KINDS = {"constant": "same answer", "unreadable": "unreadable"}


def columns(networks: pd.DataFrame) -> Mapping[str, str]:
    """Columns of the table that are shown, with their words: by kind and dimension, then by sex."""
    wanted = {
        f"{kind}_{name}": f"{word}: {DIMENSIONS[name]}" for kind, word in KINDS.items() for name in DIMENSIONS
    }
    return {name: words for name, words in (wanted | SEXES).items() if name in networks}


def beside(networks: pd.DataFrame) -> Figure:
    """Of one cell, means over seeds in points; columns network, those of `columns`, a row a seed."""
    shown = columns(networks)
    means = networks.groupby("network")[list(shown)].mean() * 100
    means = means.loc[sorted(means.index, key=order)]
    with styled():
        fig = Figure(figsize=(WIDTH, 1.9 + 0.26 * len(means)), layout="constrained")
        ax = fig.subplots()
        ax.imshow(means.to_numpy(dtype=float), aspect="auto", cmap="Greys", vmin=0, vmax=130)
        for (y, x), value in np.ndenumerate(means.to_numpy(dtype=float)):
            if np.isfinite(value):
                shade = "white" if value > 80 else "black"
                ax.text(x, y, f"{value:.0f}", ha="center", va="center", color=shade, fontsize=7.5)
        ax.set_xticks(
            range(len(shown)),
            list(shown.values()),
            fontsize=7.5,
            rotation=40,
            ha="right",
            rotation_mode="anchor",
        )
        ax.set_yticks(range(len(means)), [network(name) for name in means.index], fontsize=8)
        ax.set_title("share of the more frequent raw answer, differences between sexes (points)")
        ax.grid(False)
    return fig
