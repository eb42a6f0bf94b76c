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
        for method in [name for name in METHODS if name in set(shown["method"])]:
            own = shown[shown["method"] == method]
            shade = MUTED if own["control"].any() else colour([*METHODS].index(method))
            ax.plot(
                own["error"], own["loss"], ls="none", color=shade, marker=MARKS[method], label=METHODS[method]
            )
            for _, row in own.iterrows():
                setting = network(row["network"]).removeprefix(METHODS[method]).strip()
                place = (row["error"], row["loss"])
                ax.annotate(
                    setting, place, xytext=(5, 3), textcoords="offset points", fontsize=8, color=shade
                )
        ax.axhline(dense, color=MUTED, lw=1, ls="--")
        ax.annotate(
            "dense",
            (0.4, dense),
            xytext=(0, -11),
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
        fig.legend(loc="outside lower center", ncols=4)
        ax.set(xlabel="relative output error, mean over matrices", ylabel="loss (nats a token)")
    return fig
