"""Rows of the table that several figures show."""

from __future__ import annotations

import pandas as pd


def widest(shifts: pd.DataFrame) -> pd.DataFrame:
    """The cells that were measured at most conditions."""
    counts = shifts.groupby("cell", sort=False)["condition"].nunique()
    return shifts[shifts["cell"].isin(counts[counts == counts.max()].index)]
