"""Rows of the table that several figures show."""

from __future__ import annotations

import pandas as pd

ACROSS = "across-"  # what cells are called where the papers' indices are held against one another


def of_paper(paper: str, table: pd.DataFrame) -> pd.DataFrame:
    """The cells that a paper's figures show: those of `across-reuse`, or all others.

    Where there are none of the former (the smaller and larger scales), it shows all.
    """
    across = table["cell"].str.startswith(ACROSS)
    return table[across == paper.startswith(ACROSS)] if across.any() else table


def widest(shifts: pd.DataFrame) -> pd.DataFrame:
    """The cells that were measured at most conditions."""
    counts = shifts.groupby("cell", sort=False)["condition"].nunique()
    return shifts[shifts["cell"].isin(counts[counts == counts.max()].index)]
