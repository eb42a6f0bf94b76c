"""Epsilon from below by many runs: the threshold on half of the examples, the bound on the rest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrace.privacy.empirical import epsilon_lower_bound
from retrace.stage import StageError

THRESHOLDS = 64  # tried on the first half


def epsilon_held_out(
    scores: npt.ArrayLike,
    member: npt.ArrayLike,
    *,
    delta: float = 1e-5,
    level: float = 0.95,
    seed: int = 0,
) -> float:
    """Return `epsilon_lower_bound` at a threshold that was chosen on other examples.

    `scores` and `member`: (n,) of one model, or (K,n) of K models trained by one mechanism on draws from one
    pool (`AttackResult.scores` and `Ensemble.inside`). Half of the n examples, drawn by `seed`, choose the
    threshold; (model, example) pairs of the other half are counted as independent, so that more models make
    the bound more trustworthy. StageError for shapes that do not fit or a half without both sides.
    """
    s, inside = np.asarray(scores, dtype=np.float64), np.asarray(member).astype(bool)
    if s.ndim not in (1, 2) or s.shape != inside.shape or not np.isfinite(s).all():
        raise StageError(
            f"empirical epsilon: finite scores (n,) or (models,n) and member alike; got {s.shape}, "
            f"{inside.shape}"
        )
    order = np.random.default_rng(seed).permutation(s.shape[-1])
    first, second = np.array_split(order, 2)
    for part in (first, second):
        if inside[..., part].all() or not inside[..., part].any():
            raise StageError("empirical epsilon: each half of the examples needs members and non-members")
    tried = np.unique(np.quantile(s[..., first], np.linspace(0, 1, THRESHOLDS), method="nearest"))

    def bound(part: npt.NDArray[np.intp], threshold: float) -> float:
        called, really = s[..., part] >= threshold, inside[..., part]
        hits, alarms = int((called & really).sum()), int((called & ~really).sum())
        return epsilon_lower_bound(hits, int(really.sum()), alarms, int((~really).sum()), delta, level)

    return bound(second, max(tried, key=lambda at: bound(first, float(at))))
