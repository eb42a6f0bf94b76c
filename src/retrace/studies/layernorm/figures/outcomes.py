"""Every run at its end: test accuracy, and shares of wrong labels memorised, recovered and neither."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from retrace.plot.style import FAINT, INK, PALETTE, WIDTH, styled
from retrace.plot.table import label, over_seeds, require
from retrace.studies.layernorm.figures.rows import cells, ordered
from retrace.studies.layernorm.figures.words import CONTROLS, LABELS

PARTS = {"memorisation": PALETTE[1], "recovery": PALETTE[2], "random": FAINT}
HATCHES = {"memorisation": "", "recovery": "////", "random": ""}


def outcomes(epochs: pd.DataFrame, level: float = 0.95) -> Figure:
    """A panel a cell: stacked bars a run, and a dot with its interval for test accuracy."""
    require(epochs, ["cell", "seed", "run", "epoch", "learning", *PARTS], "outcomes")
    names = cells(epochs)
    counts = [epochs[epochs["cell"] == cell]["run"].nunique() for cell in names]
    with styled():
        fig = Figure(figsize=(WIDTH, 0.8 + sum(0.55 + 0.24 * n for n in counts)), layout="constrained")
        axes = fig.subplots(len(names), 1, squeeze=False, sharex=True, height_ratios=counts)[:, 0]
        for ax, cell in zip(axes, names, strict=True):
            _panel(ax, epochs[epochs["cell"] == cell], level)
            ax.set_title(cell)
        axes[-1].set_xlabel("share")
        handles: list[Patch | Line2D] = [
            Patch(facecolor=hue, hatch=HATCHES[name], edgecolor="white", label=LABELS.get(name, "neither"))
            for name, hue in PARTS.items()
        ]
        handles[-1].set_label("neither")
        handles.append(Line2D([], [], color=INK, marker="o", label=f"test accuracy, {level:.0%} interval"))
        fig.legend(handles=handles, loc="outside lower center", ncols=4)
    return fig


def _panel(ax: Axes, rows: pd.DataFrame, level: float) -> None:
    ends = rows[rows["epoch"] == rows["epoch"].max()]
    names = ordered(ends)
    means = over_seeds(ends, ["run"], ["learning", *PARTS], level).set_index("run").loc[names]
    places = np.arange(len(names))
    left = np.zeros(len(names))
    for part, hue in PARTS.items():
        width = means[part].to_numpy(float)
        ax.barh(
            places, width, 0.76, left, color=hue, hatch=HATCHES[part], edgecolor="white", lw=0.4, alpha=0.75
        )
        left += width
    low, high = means["learning_low"].clip(lower=0), means["learning_high"].clip(upper=1)
    ax.hlines(places, low, high, color=INK, lw=1.4, zorder=4)
    ax.plot(means["learning"], places, "o", color=INK, mec="white", mew=0.6, zorder=5, clip_on=False)
    ax.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6))
    ax.set_yticks(places, [label(name, LABELS) for name in names])
    ax.grid(False, axis="y")
    first = next((i for i, name in enumerate(names) if name in CONTROLS), None)
    if first:
        ax.axhline(first - 0.5, color=INK, lw=0.6, ls=":")
