"""Rows of the table that several figures show: the networks, in order and in words."""

from __future__ import annotations

import pandas as pd

from retrace.metrics.unit_groups import GROUPS
from retrace.studies.safety.figures.words import LABELS, ORDERS

GROUPED = ORDERS[:7]  # groups and random units: the orders with curves
FAMILIES = ("whole", "tuned", "budget", *GROUPED, "rivals")


def networks(table: pd.DataFrame) -> pd.DataFrame:
    """Means by network, cell by cell: whole ones, fine-tuned, by budget, then pruned ones; with `family`.

    A pruned network's family is its order, or "rivals" for rivals of the safety units. Within a family the
    order is that of `LABELS`, then by share.
    """
    rows = table[table["type"] == "network"].dropna(axis="columns", how="all")
    family = [_family(str(name), str(order)) for name, order in _named(rows)]
    words = list(LABELS)
    places = [
        (FAMILIES.index(f), words.index(order or name) if (order or name) in words else len(words))
        for f, (name, order) in zip(family, _named(rows), strict=True)
    ]
    placed = rows.assign(family=family, _place=[(len(words) + 1) * f + n for f, n in places])
    return placed.sort_values(["cell", "_place", "share"], kind="stable").drop(columns="_place")


def _family(name: str, order: str) -> str:
    if order:
        return order if order in GROUPED else "rivals"
    first = name.split("_")[0]
    return first if first in ("tuned", "budget") else "whole"


def _named(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(rows["network"].astype(str), rows["order"].astype(str), strict=True))


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """The networks in words; of the pruned ones only those with a role are to be named."""
    rows = networks(table)
    return rows.assign(network=_words(rows), named=(rows["order"] == "") | (rows["role"] != ""))


def _words(rows: pd.DataFrame) -> list[str]:
    """Names of networks; pruned ones are called by their order and share."""
    percent = (100 * rows["share"]).map("{:.3g} %".format)
    return [
        f"{order.upper() if order in GROUPS else LABELS[order]} {share}" if order else name
        for (name, order), share in zip(_named(rows), percent, strict=True)
    ]
