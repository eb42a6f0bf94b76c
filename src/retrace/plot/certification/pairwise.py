"""Every method against every other on the same examples: net wins, and where a test tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from retrace.plot.style import INK, panels, styled
from retrace.plot.table import label
from retrace.stage import Array


@dataclass(frozen=True)
class Duel:
    """Net wins of row over column in points, (M, M), and whether they differ significantly, (M, M)."""

    cell: str
    methods: Sequence[str]
    wins: Array
    differs: Array


def pairwise(duels: Sequence[Duel], *, labels: Mapping[str, str] | None = None) -> Figure:
    """One square a cell, purple where the row wins, orange where it loses; bold: significant."""
    most = max(float(np.abs(d.wins).max()) for d in duels) or 1.0
    with styled():
        fig, axes = panels(len(duels), columns=1, height=4.6)
        fig.set_figwidth(8.4)
        for ax, duel in zip(axes, duels, strict=True):
            shown = ax.imshow(duel.wins, cmap="PuOr", vmin=-most, vmax=most, aspect="auto")
            words = [label(m, labels) for m in duel.methods]
            ax.set_xticks(range(len(words)), words, rotation=35, ha="right", rotation_mode="anchor")
            ax.set_yticks(range(len(words)), words)
            ax.grid(visible=False)
            ax.set_title(label(duel.cell, labels))
            for i in range(len(words)):
                for j in range(len(words)):
                    if i == j:
                        continue
                    dark = abs(duel.wins[i, j]) > 0.6 * most
                    ax.text(
                        j,
                        i,
                        f"{duel.wins[i, j]:+.0f}" if abs(duel.wins[i, j]) >= 0.5 else "0",
                        ha="center",
                        va="center",
                        fontsize=8,
                        color="white" if dark else INK,
                        weight="bold" if duel.differs[i, j] else "normal",
                        alpha=1.0 if duel.differs[i, j] else 0.7,
                    )
        fig.colorbar(shown, ax=axes, label="certified by the row less by the column (points)", shrink=0.5)
    return fig
