"""The matrices' output error against the loss: does the one foretell the other?"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, colour, panels, styled
from retrace.studies.compression.figures.words import MARKS, METHODS, network


def against_loss(networks: pd.DataFrame) -> Figure:
    """Of one cell; columns network, method, control, error, loss, a row a seed; means over seeds."""
    means = networks.groupby(["network", "method", "control"], as_index=False)[["error", "loss"]].mean()
    dense = float(means.loc[means["network"] == "dense", "loss"].iloc[0])
    shown = means.dropna(subset=["error"]).sort_values("error")
    with styled():
        fig, [ax] = panels(1, height=4.4)
        for number, (_, row) in enumerate(shown.iterrows()):
            place = [*METHODS].index(row["method"])
            shade = MUTED if row["control"] else colour(place)
            ax.plot(row["error"], row["loss"], ls="none", color=shade, marker=MARKS[row["method"]])
            above = number % 2 == 0  # neighbours' words on either side
            ax.annotate(
                network(row["network"]),
                (row["error"], row["loss"]),
                xytext=(-4, 7) if above else (4, -7),
                textcoords="offset points",
                ha="right" if above else "left",
                va="bottom" if above else "top",
                fontsize=7.5,
                color=shade,
            )
        ax.axhline(dense, color=MUTED, lw=1, ls="--")
        ax.annotate(
            "dense",
            (0, dense),
            xytext=(4, 2),
            xycoords=("axes fraction", "data"),
            fontsize=8,
            textcoords="offset points",
            color=MUTED,
        )
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_yticks([5, 6, 7, 8, 10, 15, 20, 30])
        ax.minorticks_off()
        ax.margins(y=0.12)
        ax.set(xlabel="relative output error, mean over matrices", ylabel="loss (nats a token)")
    return fig
