"""Two stacked bars, before and after, with ribbons between them for what moved from part to part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from retrace.metrics.unit_groups import GROUPS
from retrace.plot.style import INK, colour, panels, styled
from retrace.plot.table import label
from retrace.studies.safety.figures.words import LABELS

WIDTH = 0.24  # of a bar; the two bars stand at 0 and 1
THIN = 0.04  # shares below this are written beside the bar, not in it


@dataclass(frozen=True)
class Flow:
    """Shares (P,P) of the whole that were the part of the row and are the part of the column."""

    title: str
    before: str
    after: str
    shares: npt.NDArray[np.float64]


def compositions(table: pd.DataFrame) -> list[Flow]:
    """Mean flows over seeds, cell by cell: released to aligned, aligned to fine-tuned."""
    found = []
    rows = table[table["type"] == "flow"]
    several = rows["cell"].nunique() > 1
    steps = (
        ("aligning", "released", "aligned", "alignment"),
        ("flow", "aligned", "tuned_free", "fine-tuning"),
    )
    for cell, own in rows.groupby("cell", sort=False):
        for prefix, before, after, what in steps:
            if f"{prefix}_esu_esu" not in own or own[f"{prefix}_esu_esu"].isna().all():
                continue
            shares = np.array([[own[f"{prefix}_{a}_{b}"].mean() for b in GROUPS] for a in GROUPS])
            title = f"{label(str(cell), LABELS)}: {what}" if several else what
            found.append(Flow(title, before, after, shares))
    return found


def flows(charts: Sequence[Flow], parts: Sequence[str], labels: Mapping[str, str] | None = None) -> Figure:
    """One panel a flow; parts are stacked in their order from below, ribbons have the colour they come from.

    ValueError when there is nothing to draw or the shares do not fit the parts.
    """
    if not charts:
        raise ValueError("flows: nothing to draw; score the units of two networks")
    with styled():
        fig, axes = panels(len(charts), columns=2, height=3.9)
        for ax, chart in zip(axes, charts, strict=True):
            if chart.shares.shape != (len(parts), len(parts)):
                raise ValueError(
                    f"flows: {chart.title} has shares {chart.shares.shape} for {len(parts)} parts"
                )
            _panel(ax, chart, parts, labels)
        handles = [
            Rectangle((0, 0), 1, 1, color=colour(n), label=label(p, labels)) for n, p in enumerate(parts)
        ]
        fig.legend(handles=handles, loc="outside lower center", ncols=len(parts) if len(charts) > 1 else 2)
    return fig


def _panel(ax: Axes, chart: Flow, parts: Sequence[str], labels: Mapping[str, str] | None) -> None:
    bottoms = [np.concatenate([[0.0], np.cumsum(chart.shares.sum(axis))[:-1]]) for axis in (1, 0)]
    for side, axis in ((0, 1), (1, 0)):
        totals = chart.shares.sum(axis)
        texts = []
        for n, (bottom, total) in enumerate(zip(bottoms[side], totals, strict=True)):
            ax.add_patch(Rectangle((side - WIDTH / 2, bottom), WIDTH, total, color=colour(n), lw=0))
            texts.append((bottom + total / 2, f"{total:.1%}", total >= THIN))
        _words(ax, side, texts)
    left, right = (b.copy() for b in bottoms)
    for i in range(len(parts)):
        for j in range(len(parts)):
            share = float(chart.shares[i, j])
            if share > 0:
                ax.add_patch(_ribbon(left[i], right[j], share, colour(i)))
                left[i] += share
                right[j] += share
    ax.set(xlim=(-0.45, 1.45), ylim=(0, chart.shares.sum()), title=chart.title)
    ax.set_xticks([0, 1], [label(chart.before, labels), label(chart.after, labels)])
    ax.set_yticks([])
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)


def _words(ax: Axes, side: int, texts: Sequence[tuple[float, str, bool]]) -> None:
    """Shares in their parts, or beside the bar and apart from one another where a part is thin."""
    last = -np.inf
    for height, text, inside in texts:
        if inside:
            ax.text(side, height, text, ha="center", va="center", fontsize=8.5, color="white", weight="bold")
            continue
        last = max(height, last + 0.045)
        ax.text(
            side + (1 if side else -1) * (WIDTH / 2 + 0.02),
            last,
            text,
            ha="left" if side else "right",
            va="center",
            fontsize=8,
            color=INK,
        )


def _ribbon(start: float, end: float, share: float, hue: str) -> PathPatch:
    """A band of constant height from the left bar at `start` to the right bar at `end`."""
    x0, x1, middle = WIDTH / 2, 1 - WIDTH / 2, 0.5
    points = [
        (x0, start), (middle, start), (middle, end), (x1, end),
        (x1, end + share), (middle, end + share), (middle, start + share), (x0, start + share), (x0, start),
    ]  # fmt: skip
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    return PathPatch(Path(points, codes), facecolor=hue, alpha=0.35, lw=0)
