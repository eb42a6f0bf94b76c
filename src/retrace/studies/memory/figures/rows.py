"""Rows of the table that several figures show."""

from __future__ import annotations

import pandas as pd

from retrace.studies.memory.figures.words import MAIN, SHOWN


def points(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the main networks, under one name whatever the task, in one order."""
    named = table.assign(condition=table["condition"].map(main_name))
    kept = named[named["condition"] != ""]
    return kept.sort_values("condition", key=lambda names: names.map(MAIN.index), kind="stable")


def main_name(condition: str) -> str:
    """The name in `MAIN` of a network of the sheet; empty where it has none."""
    known = {f"lstm{SHOWN}": "lstm", f"armin{SHOWN}": "armin_soft"}
    return known.get(condition, condition if condition in MAIN else "")
