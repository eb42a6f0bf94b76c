"""Trust and utility against size: which compressor is on the front?"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.plot.style import FAINT, INK, MUTED, colour, panels, styled
from retrace.plot.table import frame, over_seeds
from retrace.studies.compression.figures.words import MARKS, METHODS, order

WORDS = {"trust": "trust (points)", "utility": "utility (points)", "loss": "loss (nats a token)"}


def trade_off(networks: pd.DataFrame) -> Figure:
    """Of one cell; columns network, method, control, size, trust, utility, a row a seed."""
    shown = [name for name in WORDS if name in networks and networks[name].notna().any()]
    with styled():
        fig, axes = panels(len(shown), columns=3, height=3.4)
        for ax, column in zip(axes, shown, strict=True):
            down = column == "loss"  # less is better
            scaled = networks.assign(points=networks[column] * (1 if down else 100))
            means = over_seeds(scaled, ["network", "method", "control", "size"], ["points"], 0.95)
            _front(ax, means[~means["control"]], -1 if down else 1)
            for method in sorted(means["method"].unique(), key=order):
                own = means[means["method"] == method].sort_values("size")
                place = [*METHODS].index(method) if method in METHODS else 7
                shade = MUTED if own["control"].any() else INK if method == "dense" else colour(place)
                ax.vlines(own["size"], own["points_low"], own["points_high"], color=shade, lw=1, alpha=0.5)
                ax.plot(
                    own["size"],
                    own["points"],
                    ls="none",
                    color=shade,
                    marker=MARKS.get(method, "o"),
                    label=METHODS.get(method, method),
                )
            ax.set_xscale("log", base=2)
            if down:
                ax.set_yscale("log")
                ax.yaxis.set_major_formatter("{x:g}")
                ax.set_yticks([5, 6, 8, 10, 15, 20, 30])
            ax.set_xticks([3, 4, 8, 16], ["3", "4", "8", "16"])
            ax.set(xlabel="bits a weight", ylabel=WORDS[column])
            ax.minorticks_off()
            if (ends := frame(means["points"], means["points_low"], means["points_high"])) and not down:
                ax.set_ylim(*ends)
        handles, words = axes[0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=6)
    return fig


def _front(ax: Axes, means: pd.DataFrame, sign: int) -> None:
    """A step line along the networks that no smaller one beats."""
    best, points = float("-inf"), []
    for _, row in means.assign(good=sign * means["points"]).sort_values("size").iterrows():
        if row["good"] > best:
            best = float(row["good"])
            points.append((float(row["size"]), sign * best))
    if points:
        x, y = zip(*points, (16.0, sign * best), strict=True)
        ax.step(x, y, where="post", color=FAINT, lw=3, zorder=0)
