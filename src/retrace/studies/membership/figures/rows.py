"""Rows of the table that several figures show."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from retrace.studies.membership.table import Key, Pictures
from retrace.tabled import Tabled

ACROSS = "across-"  # what settings are called where the papers' methods are held against one another


def of_paper(paper: str, tabled: Tabled[Pictures]) -> Tabled[Pictures]:
    """The settings that a paper's figures show: those of `across-membership`, or all others.

    Where there are none of the former (the smaller and larger scales), it shows all.
    """
    across = tabled.frame["cell"].str.startswith(ACROSS)
    if not across.any():
        return tabled
    own = paper.startswith(ACROSS)

    def kept(key: Key) -> bool:
        return key[1].startswith(ACROSS) == own

    pictures = replace(
        tabled.pictures,
        attacked={key: value for key, value in tabled.pictures.attacked.items() if kept(key)},
        noted={key: value for key, value in tabled.pictures.noted.items() if kept(key)},
    )
    return replace(tabled, frame=tabled.frame[across == own], pictures=pictures)


def methods(table: pd.DataFrame) -> list[str]:
    """Every method of the table, in the order of its columns."""
    return [c.removeprefix("strongest_") for c in table.columns if c.startswith("strongest_")]
