"""Words for the reuse study's columns, and which of them figures show."""

from __future__ import annotations

INDICES = ("arm", "preindex", "resque")
COSTS = ("epochs", "grad_norm_mean", "param_change", "kwh")
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
