"""The mean ROC curve of the main attack before and after tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from retrace.studies.diffusion.figures.rows import untuned_first


def mean_curves(curves: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Mean over seeds: cell, method, fpr, tpr."""
    parts = [
        pd.DataFrame({"cell": one["cell"], "method": name, "fpr": one["fpr"], "tpr": value["tpr"]})
        for one in curves
        for name, value in sorted(one.items(), key=lambda item: untuned_first(item[0]))
        if isinstance(value, dict)
    ]
    by = ["cell", "method", "fpr"]
    return pd.DataFrame(pd.concat(parts).groupby(by, sort=False, as_index=False)["tpr"].mean())
