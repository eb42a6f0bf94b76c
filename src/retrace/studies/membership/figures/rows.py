"""Rows of the table that several figures show."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from retrace.plot.table import shown_for
from retrace.studies.membership.table import Pictures
from retrace.tabled import Tabled


def of_paper(paper: str, tabled: Tabled[Pictures]) -> Tabled[Pictures]:
    """The settings that a paper's figures show, in the table and in the pictures; see `shown_for`."""
    frame = tabled.frame[shown_for(paper, tabled.frame["cell"])]
    settings = set(frame["cell"])
    pictures = replace(
        tabled.pictures,
        attacked={key: value for key, value in tabled.pictures.attacked.items() if key[1] in settings},
        noted={key: value for key, value in tabled.pictures.noted.items() if key[1] in settings},
    )
    return replace(tabled, frame=frame, pictures=pictures)


def methods(table: pd.DataFrame) -> list[str]:
    """Every method of the table, in the order of its columns."""
    return [c.removeprefix("strongest_") for c in table.columns if c.startswith("strongest_")]
