"""Cactus plot of verifiers: how many instances are decided within a time each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import colour, marker, panels, styled
from retrace.plot.table import label
from retrace.studies.certification.figures.rows import decided
from retrace.studies.certification.table import UNKNOWN, VERIFIED


@dataclass(frozen=True)
class Runs:
    """Instances of one method: seconds of those verified, seconds of those falsified, and how many in all."""

    cell: str
    method: str
    verified: Sequence[float]
    falsified: Sequence[float]
    total: int


def runs(table: pd.DataFrame) -> list[Runs]:
    """Seconds of every image of the slice by cell and method, all seeds together; chosen states."""
    found = []
    for (cell, method), rows in decided(table).groupby(["cell", "method"], sort=False):
        outcomes = np.concatenate([np.asarray(v, dtype=int) for v in rows["outcomes"]])
        seconds = np.concatenate([np.asarray(v, dtype=float) for v in rows["each"]])
        wrong = outcomes < UNKNOWN
        found.append(
            Runs(
                str(cell),
                str(method),
                seconds[outcomes == VERIFIED].tolist(),
                seconds[wrong].tolist(),
                len(outcomes),
            )
        )
    return found


def cactus(
    runs: Sequence[Runs], *, labels: Mapping[str, str] | None = None, least: float = 1e-3, columns: int = 2
) -> Figure:
    """One panel a cell: share of instances decided (whole) and verified (dashed) within so many seconds.

    Times below `least` count as that. ValueError without runs.
    """
    cells = list(dict.fromkeys(r.cell for r in runs))
    methods = list(dict.fromkeys(r.method for r in runs))
    with styled():
        fig, axes = panels(len(cells), columns=columns, height=3.4)
        for ax, cell in zip(axes, cells, strict=True):
            own = [r for r in runs if r.cell == cell]
            most = max((max([*r.verified, *r.falsified], default=least) for r in own), default=1.0)
            for r in own:
                position = methods.index(r.method)
                for times, dashes, words, mark in (
                    ([*r.verified, *r.falsified], "-", label(r.method, labels), marker(position)),
                    (r.verified, "--", None, None),
                ):
                    ordered = np.sort(np.maximum(np.asarray(times, dtype=float), least))
                    x = np.concatenate([[least], ordered, [most]])
                    y = np.concatenate([[0.0], np.arange(1, len(ordered) + 1), [len(ordered)]]) / r.total
                    ax.step(
                        *(x, y),
                        where="post",
                        color=colour(position),
                        ls=dashes,
                        lw=1.5,
                        label=words,
                        marker=mark,
                        markevery=[len(x) // 2, len(x) - 1],
                        mec="white",
                        mew=0.5,
                    )
            ax.set_xscale("log")
            ax.set(xlabel="CPU seconds for one image", ylabel="share of images", ylim=(-0.02, 1.02))
            ax.set_title(label(cell, labels))
        handles = {text: h for ax in axes for h, text in zip(*ax.get_legend_handles_labels(), strict=True)}
        fig.legend(
            handles.values(),
            handles,
            loc="outside lower center",
            ncols=4,
            title="whole line: decided (verified or falsified); dashed: verified",
        )
    return fig
