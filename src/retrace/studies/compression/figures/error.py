"""The matrices' output error against the loss: does the one foretell the other?"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, colour, marker, panels, styled
from retrace.studies.compression.figures.words import METHODS, network


def against_loss(networks: pd.DataFrame) -> Figure:
    """Of one cell; columns network, method, control, error, loss, a row a seed; means over seeds."""
    means = networks.groupby(["network", "method", "control"], as_index=False)[["error", "loss"]].mean()
    dense = float(means.loc[means["network"] == "dense", "loss"].iloc[0])
    with styled():
        fig, [ax] = panels(1, height=4.0)
        for _, row in means.dropna(subset=["error"]).iterrows():
            place = [*METHODS].index(row["method"])
            shade = MUTED if row["control"] else colour(place)
            ax.plot(row["error"], row["loss"], ls="none", color=shade, marker=marker(place))
            ax.annotate(
                network(row["network"]),
                (row["error"], row["loss"]),
                xytext=(5, 3),
                textcoords="offset points",
                fontsize=7.5,
                color=shade,
            )
        ax.axhline(dense, color=MUTED, lw=1, ls="--")
        ax.annotate(
            "dense",
            (1, dense),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=8,
            color=MUTED,
        )
        ax.set_xscale("log")
        ax.set(xlabel="relative output error, mean over matrices", ylabel="loss (nats a token)")
    return fig
