"""Rows of the table that several figures show."""

from __future__ import annotations

import pandas as pd


def methods(table: pd.DataFrame) -> list[str]:
    """Every method of the table, in the order of its columns."""
    return [c.removeprefix("strongest_") for c in table.columns if c.startswith("strongest_")]
