"""Quantile-regression attack: an example-dependent threshold learnt on public examples, no shadow models."""

from __future__ import annotations

import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor

from retrace.attacks.arrays import AttackError, Floats, as_floats
from retrace.attacks.resolution import check_resolution


def quantile_attack(
    target: npt.ArrayLike,
    features: npt.ArrayLike,
    public: npt.ArrayLike,
    public_features: npt.ArrayLike,
    *,
    fpr: float = 0.05,
    seed: int = 0,
) -> Floats:
    """Return the signal minus its predicted (1 - fpr) quantile among non-members, (N,); >= 0 means "member".

    `target` (N,) and `public` (P,): a signal of the target with members high (phi in the paper) on the
    examples and on public non-members; `features` (N,D) and `public_features` (P,D) describe them without
    the target (pixels, another network's embedding). The quantile is fitted by gradient-boosted trees.
    AttackError with fewer than 10/fpr public examples. Source: Bertran et al. (NeurIPS 2023).
    """
    signal = as_floats(target, "target", (None,))
    known = as_floats(public, "public", (None,))
    described = as_floats(features, "features", (len(signal), None))
    seen = as_floats(public_features, "public_features", (len(known), described.shape[1]))
    if not 0 < fpr < 1:
        raise AttackError(f"the quantile attack takes 0 < fpr < 1; got {fpr:g}")
    check_resolution(len(known), fpr)
    model = HistGradientBoostingRegressor(
        loss="quantile", quantile=1 - fpr, early_stopping=False, max_iter=100, random_state=seed
    )
    predicted: Floats = model.fit(seen, known).predict(described)
    return signal - predicted
