"""The reuse study's figures."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.plot.curves import index_against_costs
from retrace.plot.heatmap import correlations, heatmap
from retrace.plot.intermodel import between_networks, shared_conditions
from retrace.plot.scatter import named_scatter

COSTS = ("epochs", "grad_norm_mean", "param_change", "kwh")
INDICES = {"arm": "arm", "preindex": "preindex", "resque": "resque"}
GROUPS = {
    "indices of the papers": (
        "arm",
        "arm_hist_own",
        "preindex",
        "p_js32",
        "inv_ari",
        "resque",
        "resque_pooled",
    ),
    "no training, no index": ("pixel_rmse", "source_error", "source_loss", "knn_error"),
    "other estimators": ("hscore_neg", "logme_neg", "leep_neg", "feature_shift", "initial_gradient_norm"),
    "needs a little training": ("first_check",),
    "control": ("shuffled",),
}
LABELS = {
    "arm": "ARM",
    "arm_hist_own": "ARM, own-range histograms",
    "preindex": "PreIndex",
    "p_js32": "PreIndex: p alone",
    "inv_ari": "PreIndex: 1 - ARI alone",
    "resque": "RESQUE (distribution)",
    "resque_pooled": "RESQUE, pooled features",
    "resque_task": "RESQUE (task)",
    "pixel_rmse": "pixel RMSE (no model)",
    "source_error": "error of the source model",
    "source_loss": "loss of the source model",
    "knn_error": "kNN error on features",
    "hscore_neg": "-H-score",
    "logme_neg": "-LogME",
    "leep_neg": "-LEEP",
    "feature_shift": "feature-mean shift",
    "initial_gradient_norm": "initial gradient norm",
    "first_check": "extrapolation from the first check",
    "shuffled": "PreIndex, shuffled",
    "epochs": "epochs",
    "grad_norm_mean": "gradient norm",
    "param_change": "parameter change",
    "kwh": "energy (kWh)",
}


def draw(paper: str, table: pd.DataFrame, verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table and the paper's verdicts."""
    shifts = table[table["type"] != "task"]
    index = INDICES[paper]
    figures = {
        f"{paper}_cost": index_against_costs(_widest(shifts), index, COSTS, facet="cell", labels=LABELS),
        "between_networks": between_networks(_comparable(shifts), index, "epochs", labels=LABELS),
    }
    if paper == "preindex":
        figures["indices_and_costs"] = indices_and_costs(shifts)
    if paper == "resque":
        tasks = table[table["type"] == "task"]
        found = agreement(verdicts, "ranks-tasks-epochs")
        figures["tasks"] = named_scatter(tasks, "resque_task", "epochs", agreement=found, labels=LABELS)
    return figures


def agreement(verdicts: PaperVerdict, claim: str) -> tuple[str, float, tuple[float, float]] | None:
    """Name, estimate and interval of a claim's statistic, as judged; None where it was not measured."""
    found = next((c for c in verdicts.claims if c.id == claim), None)
    if not found or found.statistic is None or found.measured is None or not found.interval:
        return None
    low, high = found.interval
    return (
        None if low is None or high is None else (found.statistic.capitalize(), found.measured, (low, high))
    )


def indices_and_costs(shifts: pd.DataFrame) -> Figure:
    """Spearman of every index and rival with every cost over conditions: mean of cells and seeds."""
    with_control = shifts.assign(shuffled=shuffled(shifts, "preindex"))
    rows = [name for group in GROUPS.values() for name in group]
    values = correlations(_widest(with_control), rows, COSTS, within=("cell", "seed"))
    return heatmap(values, GROUPS, labels=LABELS, bar="Spearman correlation", unmarked=("control",))


def shuffled(table: pd.DataFrame, column: str) -> pd.Series:
    """The column permuted within each cell and seed, by a fixed permutation: a control that knows nothing."""
    groups = table.groupby(["cell", "seed"], sort=False)[column]
    return groups.transform(lambda values: values.sample(frac=1, random_state=0).to_numpy())


def _widest(shifts: pd.DataFrame) -> pd.DataFrame:
    counts = shifts.groupby("cell", sort=False)["condition"].nunique()
    return shifts[shifts["cell"].isin(counts[counts == counts.max()].index)]


def _comparable(shifts: pd.DataFrame) -> pd.DataFrame:
    networks = shifts.groupby("dataset")["network"].nunique()
    return shared_conditions(
        shifts[shifts["dataset"] == networks.idxmax()], "network", ["dataset", "condition"]
    )
