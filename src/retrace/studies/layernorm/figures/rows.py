"""Rows of the table that several figures show."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from retrace.studies.layernorm.figures.words import LABELS


def of_runs(epochs: pd.DataFrame, runs: Sequence[str]) -> list[str]:
    """Those of `runs` that the rows have, in that order."""
    there = set(epochs["run"])
    return [name for name in runs if name in there]


def ordered(epochs: pd.DataFrame) -> list[str]:
    """All runs that the rows have: those with words first, in the order of the words."""
    names = list(epochs["run"].drop_duplicates())
    return sorted(names, key=lambda name: list(LABELS).index(name) if name in LABELS else len(LABELS))


def cells(rows: pd.DataFrame) -> list[str]:
    """Cells, Post-LN first."""
    return sorted(rows["cell"].drop_duplicates(), key=lambda cell: (not cell.startswith("post"), cell))
