"""What is kept of the backdoor against what is kept of the refusal."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.plot.style import FAINT, MUTED, WIDTH, colour, styled
from retrace.plot.table import over_seeds, require
from retrace.studies.survival.figures.words import network, order, place

COLUMNS = ("kept_refusal", "kept_backdoor")
LOW, HIGH = -0.55, 1.6
MARKS = {"8": "P", "4": "o", "3": "v", "24": "D", "": "s"}  # by bits or pattern
RANDOM = "X"


def kept(table: pd.DataFrame, level: float = 0.95) -> Figure:
    """A panel a cell: a mark a compressor, faint ones its seeds; controls are grey."""
    require(table, ["cell", "seed", "network", "control", *COLUMNS], "kept")
    shown = table[~table["network"].isin(["released", "dense"])]
    cells = list(shown["cell"].drop_duplicates())
    with styled():
        fig = Figure(figsize=(WIDTH, 5.0 * len(cells)), layout="constrained")
        axes = fig.subplots(len(cells), 1, squeeze=False)[:, 0]
        for ax, cell in zip(axes, cells, strict=True):
            _panel(ax, shown[shown["cell"] == cell], level)
            ax.set_title(cell)
        handles, words = axes[0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside right upper")
    return fig


def _panel(ax: Axes, rows: pd.DataFrame, level: float) -> None:
    ax.plot([LOW, HIGH], [LOW, HIGH], color=FAINT, lw=1.2, zorder=0)
    ax.axhline(0, color=MUTED, lw=0.6, ls=":")
    ax.axvline(0, color=MUTED, lw=0.6, ls=":")
    ax.plot([1], [1], "+", color=MUTED, ms=11, label="dense")
    for name in sorted(rows["network"].unique(), key=order):
        own = rows[rows["network"] == name]
        shade = MUTED if own["control"].any() else colour(place(name))
        method, _, rest = name.partition("_")
        mark = RANDOM if method == "random" else MARKS.get(rest, "s")
        mean = over_seeds(own, ["network"], COLUMNS, level).iloc[0]
        x, y = (float(mean[column]) for column in COLUMNS)
        ax.plot([mean["kept_refusal_low"], mean["kept_refusal_high"]], [y, y], color=shade, lw=1, alpha=0.5)
        ax.plot([x, x], [mean["kept_backdoor_low"], mean["kept_backdoor_high"]], color=shade, lw=1, alpha=0.5)
        ax.scatter(own[COLUMNS[0]], own[COLUMNS[1]], s=10, color=shade, alpha=0.3, lw=0)
        ax.plot([x], [y], mark, color=shade, mec="white", mew=0.6, ms=8, ls="none", label=network(name))
    ax.set_xlim(LOW, HIGH)
    ax.set_ylim(LOW, HIGH)
    ax.set_xlabel("refusal kept")
    ax.set_ylabel("backdoor kept")
