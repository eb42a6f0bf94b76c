"""Means over seeds of some networks, as several figures show them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from retrace.plot.table import over_seeds
from retrace.studies.backdoor.figures.words import LEVEL

SHARES = ("hit", "false", "first_hit", "first_false")  # a t interval knows no bounds


def of_networks(
    table: pd.DataFrame, cell: str, names: Sequence[str], quantities: Sequence[str]
) -> pd.DataFrame:
    """A row a network that the table has, in the order of `names`, which are the index.

    Columns `<q>`, `<q>_low`, `<q>_high`.
    """
    rows = table[(table["type"] == "network") & (table["cell"] == cell)]
    made = over_seeds(rows, ["network"], quantities, LEVEL).set_index("network")
    for quantity in set(quantities) & set(SHARES):
        for end in ("low", "high"):
            made[f"{quantity}_{end}"] = made[f"{quantity}_{end}"].clip(0, 1)
    return made.loc[[name for name in names if name in made.index]]


def cells_of(table: pd.DataFrame) -> list[str]:
    """Cells in the table's order."""
    return list(table["cell"].drop_duplicates())


def curve(
    ax: Axes, x: Sequence[float], means: pd.DataFrame, quantity: str, hue: str, mark: str, word: str
) -> None:
    """A line with bars, at `x`, of one quantity."""
    places = np.asarray(x, float)
    low, high = (means[f"{quantity}_{end}"].to_numpy(float) for end in ("low", "high"))
    ax.vlines(places, low, high, color=hue, lw=1.0, alpha=0.5)
    ax.plot(places, means[quantity].to_numpy(float), color=hue, marker=mark, label=word)
