"""Rows of the table that several figures show."""

from __future__ import annotations

import pandas as pd

from retrace.studies.quantization.figures.words import BITS

SWEPT = ("fp32", *(f"ptq_{b}" for b in BITS[1:]))


def swept(table: pd.DataFrame, kind: str = "group", family: str = "ptq") -> pd.DataFrame:
    """Groups (or `random` ones) at full precision and at each number of bits, with the place of each."""
    names = ["fp32", *(f"{family}_{b}" for b in BITS[1:])]
    rows = table[(table["type"] == kind) & table["method"].isin(names)]
    return rows.assign(place=rows["bits"].map({float(b): n for n, b in enumerate(BITS)}))


def bit_words() -> list[str]:
    """What stands below the places of `swept`."""
    return ["full", *(str(b) for b in BITS[1:])]


def by_size(rows: pd.DataFrame) -> list[tuple[int, str]]:
    """The ranks of a cell's groups with a word for each: its training images."""
    sizes = rows.groupby("rank")["size"].first()
    return [(int(rank), f"{int(size)}") for rank, size in zip(sizes.index, sizes, strict=True)]
