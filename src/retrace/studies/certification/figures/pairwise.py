"""Every method against every other on the same examples: net wins, and where a test tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import INK, panels, styled
from retrace.plot.table import label
from retrace.stage import Array
from retrace.stats.mcnemar import mcnemar
from retrace.stats.tests import holm
from retrace.studies.certification.figures.words import CURVES

ALPHA = 0.05


@dataclass(frozen=True)
class Duel:
    """Net wins of row over column in points, (M, M), and whether they differ significantly, (M, M)."""

    cell: str
    methods: Sequence[str]
    wins: Array
    differs: Array


def duels(table: pd.DataFrame) -> list[Duel]:
    """Net wins in certified images (CROWN, chosen states) of every method over every other, all seeds pooled.

    Significance by McNemar's exact test, Holm-corrected within a cell.
    """
    found = []
    images = table[table["type"] == "image"]
    for cell, rows in images.groupby("cell", sort=False):
        names = [m for m in CURVES if f"crown_{m}" in rows and rows[f"crown_{m}"].notna().all()]
        names += [
            m
            for m in ("reinit", "shuffled", "narrow", "doubled")
            if rows.get(f"crown_{m}", pd.Series()).notna().any()
        ]
        size = len(names)
        wins, p = np.zeros((size, size)), np.ones((size, size))
        upper = [(i, j) for i in range(size) for j in range(i + 1, size)]
        for i, j in upper:
            test = mcnemar(rows[f"crown_{names[i]}"], rows[f"crown_{names[j]}"])
            wins[i, j] = 100 * (test.gained - test.lost) / len(rows)
            wins[j, i], p[i, j] = -wins[i, j], test.p
        for (i, j), corrected in zip(upper, holm([p[i, j] for i, j in upper]), strict=True):
            p[i, j] = p[j, i] = corrected
        found.append(Duel(str(cell), names, wins, p < ALPHA))
    return found


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
