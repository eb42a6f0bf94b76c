"""The mean ROC curve of the main attack before and after tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def mean_curves(curves: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Mean over seeds: cell, method, fpr, tpr."""
    parts = [
        pd.DataFrame({"cell": one["cell"], "method": name, "fpr": one["fpr"], "tpr": value["tpr"]})
        for one in curves
        for name, value in one.items()
        if isinstance(value, dict)
    ]
    by = ["cell", "method", "fpr"]
    return pd.DataFrame(pd.concat(parts).groupby(by, sort=False, as_index=False)["tpr"].mean())
