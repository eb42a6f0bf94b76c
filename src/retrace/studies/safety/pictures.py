"""What the figures of the safety study show, taken from its table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from retrace.metrics.unit_groups import GROUPS
from retrace.plot.safety.flows import Flow
from retrace.plot.table import label
from retrace.studies.safety.labels import CROWD, LABELS, MODELS, ORDERS

GROUPED = ORDERS[:7]  # groups and random units: the orders with curves
FAMILIES = ("whole", "tuned", "budget", *GROUPED, "rivals")
CLOSE = ("tuned", "budget")  # families that lie close together


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


def plane(table: pd.DataFrame) -> pd.DataFrame:
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


def edge(table: pd.DataFrame) -> float:
    """The likelihood beyond which a network stands at the plane's edge."""
    rows = table[(table["type"] == "network") & table["network"].isin(MODELS)]
    return float(rows["nll"].max()) + CROWD


def answers(table: pd.DataFrame) -> pd.DataFrame:
    """Shares of answers by network, with those met; of the pruned ones only those with a role."""
    rows = plane(table)
    rows = rows[rows["named"]]
    return rows.assign(
        benign_met=1 - rows["benign_refused"] - rows["benign_broken"],
        lookalike_met=1 - rows["lookalike_refused"] - rows["lookalike_broken"],
    )


def compositions(table: pd.DataFrame) -> list[Flow]:
    """Mean flows over seeds, cell by cell: released to aligned, aligned to fine-tuned."""
    found = []
    rows = table[table["type"] == "flow"]
    several = rows["cell"].nunique() > 1
    steps = (
        ("aligning", "released", "aligned", "alignment"),
        ("flow", "aligned", "tuned_free", "fine-tuning"),
    )
    for cell, own in rows.groupby("cell", sort=False):
        for prefix, before, after, what in steps:
            if f"{prefix}_esu_esu" not in own or own[f"{prefix}_esu_esu"].isna().all():
                continue
            shares = np.array([[own[f"{prefix}_{a}_{b}"].mean() for b in GROUPS] for a in GROUPS])
            title = f"{label(str(cell), LABELS)}: {what}" if several else what
            found.append(Flow(title, before, after, shares))
    return found


def distances(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of distances of the probe."""
    return table[table["type"] == "distance"].dropna(axis="columns", how="all")
