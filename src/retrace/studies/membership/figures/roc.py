"""The mean ROC curve of each method's strongest attack."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from retrace.studies.membership.table import Pictures


def mean_curves(pictures: Pictures, shown: Sequence[str]) -> pd.DataFrame:
    """Mean ROC over seeds of each method's strongest attack on unflipped examples: cell, method, fpr, tpr."""
    parts = []
    for (_, cell), attacked in pictures.attacked.items():
        for method in [name for name in shown if name in attacked]:
            tpr = attacked[method]["roc"][pictures.strongest[cell, method]]
            parts.append(pd.DataFrame({"cell": cell, "method": method, "fpr": pictures.fpr, "tpr": tpr}))
    together = pd.concat(parts)
    mean = together.groupby(["cell", "method", "fpr"], sort=False, as_index=False)["tpr"].mean()
    kept = mean.groupby("cell")["method"].transform("nunique") > 2  # a panel needs something to compare
    return pd.DataFrame(mean[kept])
