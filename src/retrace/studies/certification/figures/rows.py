"""Rows of the table that several figures show."""

from __future__ import annotations

import pandas as pd

from retrace.studies.certification.figures.words import CURVES


def decided(table: pd.DataFrame) -> pd.DataFrame:
    """The chosen states that branch and bound decided."""
    states = table[(table["type"] == "state") & table["chosen"].eq(True)]
    return in_order(states.dropna(subset=["verified"]))


def in_order(states: pd.DataFrame) -> pd.DataFrame:
    """Cell by cell, methods in the order of `CURVES`, others after them."""
    order = {method: n for n, method in enumerate(CURVES)}
    places = states["method"].map(order).fillna(len(order))
    return states.assign(_place=places).sort_values(["cell", "_place"], kind="stable").drop(columns="_place")
