"""What the figures of the certification study show, taken from its table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from retrace.plot.certification.cactus import Runs
from retrace.plot.certification.pairwise import Duel
from retrace.stats.mcnemar import mcnemar
from retrace.stats.tests import holm
from retrace.studies.certification.labels import CURVES
from retrace.studies.certification.table import UNKNOWN, VERIFIED

ALPHA = 0.05


def curves(table: pd.DataFrame) -> pd.DataFrame:
    """The states of the methods that curves are drawn of, in the order of `CURVES`."""
    states = table[(table["type"] == "state") & table["method"].isin(CURVES)]
    return _in_order(states)


def decided(table: pd.DataFrame) -> pd.DataFrame:
    """The chosen states that branch and bound decided."""
    states = table[(table["type"] == "state") & table["chosen"].eq(True)]
    return _in_order(states.dropna(subset=["verified"]))


def _in_order(states: pd.DataFrame) -> pd.DataFrame:
    """Cell by cell, methods in the order of `CURVES`, others after them."""
    order = {method: n for n, method in enumerate(CURVES)}
    places = states["method"].map(order).fillna(len(order))
    return states.assign(_place=places).sort_values(["cell", "_place"], kind="stable").drop(columns="_place")


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


def duels(table: pd.DataFrame) -> list[Duel]:
    """Net wins in certified images (CROWN, chosen states) of every method over every other, all seeds pooled.

    Significance by McNemar's exact test, Holm-corrected within a cell.
    """
    found = []
    images = table[table["type"] == "image"]
    for cell, rows in images.groupby("cell", sort=False):
        names = [m for m in CURVES if f"crown_{m}" in rows and rows[f"crown_{m}"].notna().all()]
        names += [
            m for m in ("reinit", "narrow", "doubled") if rows.get(f"crown_{m}", pd.Series()).notna().any()
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
