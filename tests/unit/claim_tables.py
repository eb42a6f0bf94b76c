"""Synthetic tables of evidence for the tests of claims."""

from collections.abc import Callable

import numpy as np
import pandas as pd

CONDITIONS = [f"{kind}:{v}" for kind in ("gauss", "sp", "blur") for v in (0.05, 0.08, 0.11, 0.14, 0.18)]
TASKS = [
    "same",
    "digits",
    "contrast",
    "blk14",
    "rot180",
    "blur",
    "fliplr",
    "rot90",
    "blk7",
    "sp",
    "invert",
    "perm",
    "blk4",
]
LATE = {"gauss": 0.0, "sp": 0.02, "blur": 0.04, "task": 0.0}
GOOD = [
    "arm",
    "arm_hist_own",
    "arm_full_map_shared",
    "preindex",
    "p_js32",
    "inv_ari",
    "resque",
    "resque_pooled",
    "resque_task",
    "resque_task_kmeanspp",
    "resque_task_pooled",
    "epochs",
    "seconds",
    "kwh",
    "kg_co2e",
    "grad_norm_mean",
    "param_change",
]
POOR = [
    "pixel_rmse",
    "source_error",
    "source_loss",
    "knn_error",
    "hscore_neg",
    "logme_neg",
    "leep_neg",
    "feature_shift",
    "initial_gradient_norm",
    "first_check",
    "static_params",
    "clean_error",
]
INDICES = [name for name in GOOD if name.startswith(("arm", "preindex", "resque"))]

Change = Callable[[pd.DataFrame], pd.DataFrame]


def study_table(seeds: int = 3, noise: float = 0.002) -> pd.DataFrame:
    """A table in which every index follows every cost and the trivial baselines hardly do."""
    rng = np.random.default_rng(5)
    rows = []
    for seed in range(seeds):
        for condition in CONDITIONS:
            rows.append(_row(rng, seed, "fashion-shift", "cnn", condition, 0.0, noise))
        for place, network in enumerate(("cnn", "vgg", "mobilenet", "vit")):
            for condition in CONDITIONS[::3]:
                rows.append(_row(rng, seed, f"fashion-{network}", network, condition, 0.05 * place, noise))
        for place, task in enumerate(TASKS):
            rows.append(_row(rng, seed, "mnist-task", "cnn", f"task:{task}", 0.02 * place, noise))
    return pd.DataFrame(rows)


def _row(rng, seed, cell, network, condition, shift, noise):
    kind, _, intensity = condition.partition(":")
    strength = 0.0 if kind == "task" else float(intensity)
    cost = 1 + strength + shift + LATE[kind]
    return {
        "seed": seed,
        "cell": cell,
        "dataset": cell.split("-")[0],
        "network": network,
        "condition": condition,
        "type": kind,
        "intensity": strength,
        "censored": False,
        **{name: cost + noise * rng.normal() for name in GOOD},
        **{name: cost + 0.15 * rng.normal() for name in POOR},
    }
