"""Gradient norms at the inputs of LayerNorms, their ratio, and the bound of theorem 2."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, PALETTE, WIDTH, styled
from retrace.plot.table import over_seeds, require
from retrace.studies.layernorm.figures.rows import cells


def gradients(norms: pd.DataFrame) -> Figure:
    """A row a cell: test and noisy gradients with their ratio, and the bound beside what it bounds.

    Lines are geometric means over seeds, as the claims have them; faint dots are single seeds.
    """
    require(norms, ["cell", "seed", "norm", "place", "learn", "mem", "log_ratio"], "gradients")
    names = cells(norms)
    with styled():
        fig = Figure(figsize=(WIDTH, 0.5 + 2.4 * len(names)), layout="constrained")
        grid = fig.subplots(len(names), 2, squeeze=False)
        for line, cell in zip(grid, names, strict=True):
            own = norms[norms["cell"] == cell].sort_values("norm", kind="stable")
            _pair(line[0], own, ("learn", "mem"), ("test", "wrongly labelled"), cell)
            ratio = line[0].twinx()
            means = over_seeds(own, ["norm"], ["log_ratio"], 0.95)
            values = np.exp(means["log_ratio"])
            ratio.plot(means["norm"], values, color=PALETTE[7], ls=":", label="ratio")
            ratio.set_ylim(0, 1.3 * values.max() if values.notna().any() else 1)
            ratio.grid(False)
            ratio.set_ylabel("ratio (dotted)", fontsize=9)
            if "log_bound" in own:
                shown = own.assign(bound=np.exp(own["log_bound"]), measured=np.exp(own["log_measured"]))
                _pair(line[1], shown, ("bound", "measured"), ("theorem 2's bound", "measured"), cell)
            else:
                _say(line[1], "no bound for this architecture")
            for ax in line:
                ax.set_xticks(*_ticks(own))
        for ax in grid[-1]:
            ax.set_xlabel("LayerNorm (layer.1 and layer.2)")
    return fig


def _pair(ax: Axes, rows: pd.DataFrame, columns: tuple[str, str], words: tuple[str, str], cell: str) -> None:
    known = rows.dropna(subset=list(columns))
    for column, word, hue, shape in zip(columns, words, PALETTE, "os", strict=False):
        if known.empty:
            _say(ax, "the noisy loss never passes the level")
            break
        means = over_seeds(known.assign(log=np.log(known[column])), ["norm"], ["log"], 0.95)
        ax.plot(means["norm"], np.exp(means["log"]), color=hue, marker=shape, ms=4, label=word)
        ax.scatter(known["norm"], known[column], s=6, color=hue, alpha=0.3, lw=0)
    ax.set_yscale("log")
    ax.set_title(cell, fontsize=9.5)
    ax.set_ylabel("gradient norm", fontsize=9)
    if not known.empty:
        low, high = (known[list(columns)].to_numpy().min(), known[list(columns)].to_numpy().max())
        span = high / low
        ax.set_ylim(low / span**0.06, high * span**0.35)  # room for whole dots below, for the words above
        ax.legend(loc="upper center", fontsize=8, ncols=2)


def _say(ax: Axes, words: str) -> None:
    ax.text(0.5, 0.5, words, ha="center", color=MUTED, transform=ax.transAxes)


def _ticks(rows: pd.DataFrame) -> tuple[list[int], list[str]]:
    numbers = sorted(rows["norm"].unique())
    return [int(n) for n in numbers], [f"{int(n) // 2 + 1}.{int(n) % 2 + 1}" for n in numbers]
