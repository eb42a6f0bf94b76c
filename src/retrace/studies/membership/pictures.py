"""From the study's table to what its figures draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from retrace.studies.membership.table import Pictures, strongest

NEAR = 0.15


def methods(table: pd.DataFrame) -> list[str]:
    """Every method of the table, in the order of its columns."""
    return [c.removeprefix("strongest_") for c in table.columns if c.startswith("strongest_")]


def plane(table: pd.DataFrame, own: str) -> pd.DataFrame:
    """Means and 95 % half-widths over targets and seeds: cell, method, accuracy, strongest (+ _half).

    Cells without the method `own` are left out, and so are networks rewound and not tuned, which are no
    defence, and all others that are `NEAR` or more less accurate than the best.
    """
    rows = []
    shown = [m for m in methods(table) if not m.startswith("rewound")]
    shown.sort(key=lambda m: (not m.startswith("stop_"), int(m[5:]) if m.startswith("stop_") else 0))
    for cell, group in table[table["type"] == "target"].groupby("cell", sort=False):
        for method in shown:
            pair = group[[f"accuracy_{method}", f"strongest_{method}"]].dropna()
            if len(pair) > 1:
                half = 1.96 * pair.std() / np.sqrt(len(pair))
                rows.append((cell, method, *pair.mean(), *half))
    names = ["cell", "method", "accuracy", "strongest", "accuracy_half", "strongest_half"]
    points = pd.DataFrame(rows, columns=names)
    here = points["cell"].isin(points.loc[points["method"] == own, "cell"])
    near = points["accuracy"] > points.groupby("cell")["accuracy"].transform("max") - NEAR
    return pd.DataFrame(points[here & (near | (points["method"] == own))].reset_index(drop=True))


def curves(table: pd.DataFrame, shown: Sequence[str]) -> pd.DataFrame:
    """Mean ROC over seeds of each method's strongest attack: cell, method, fpr, tpr."""
    pictures: Pictures = table.attrs["pictures"]
    parts = []
    for (_, cell), attacked in pictures.attacked.items():
        for method in [name for name in shown if name in attacked]:
            tpr = attacked[method]["roc"][strongest(attacked[method])]
            parts.append(pd.DataFrame({"cell": cell, "method": method, "fpr": pictures.fpr, "tpr": tpr}))
    together = pd.concat(parts)
    mean = together.groupby(["cell", "method", "fpr"], sort=False, as_index=False)["tpr"].mean()
    kept = mean.groupby("cell")["method"].transform("nunique") > 2  # a panel needs something to compare
    return pd.DataFrame(mean[kept])


def histograms(table: pd.DataFrame, shown: Sequence[str]) -> dict[tuple[str, str], dict[str, list[float]]]:
    """Norm histograms of the first seed where a ring was tried: (setting, method) -> edges and counts."""
    pictures: Pictures = table.attrs["pictures"]
    first = min(seed for seed, _ in pictures.attacked)
    return {
        (cell, method): attacked[method]["norms"]
        for (seed, cell), attacked in pictures.attacked.items()
        if seed == first and "srcm" in attacked
        for method in shown
        if method in attacked
    }


def scores(table: pd.DataFrame) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """Vulnerability and learnability of single weights, first seed: (setting, kind) -> two lists."""
    pictures: Pictures = table.attrs["pictures"]
    first = min(seed for seed, _ in pictures.noted)
    return {
        (cell, kind): (pair[0], pair[1])
        for (seed, cell), noted in pictures.noted.items()
        if seed == first and "cwrf_3" in noted
        for kind, pair in noted["cwrf_3"]["scores"].items()
    }


def blocks(table: pd.DataFrame) -> pd.DataFrame:
    """The probe's bars: cell, block, and generality and risk of each seed."""
    rows = table[table["type"] == "block"]
    names = {"intensity": "block", "block_generality": "generality", "block_risk": "risk"}
    return rows[["cell", *names]].rename(columns=names)


def losses(table: pd.DataFrame, shown: Sequence[str]) -> pd.DataFrame:
    """Losses of each target under the methods shown: cell, method, train_loss, test_loss."""
    parts = []
    for method in [name for name in methods(table) if name in shown]:
        wanted = {f"train_loss_{method}": "train_loss", f"test_loss_{method}": "test_loss"}
        part = table.loc[table["type"] == "target", ["cell", *wanted]].rename(columns=wanted).dropna()
        parts.append(part.assign(method=method))
    together = pd.concat(parts)
    own = together.loc[together["method"] == "pptp", "cell"]
    return together[together["cell"].isin(own)]
