"""A confidence interval for an area under a ROC curve from one set of scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtri

from retrace.stats.intervals import clopper_pearson

Floats = npt.NDArray[np.float64]


def auc_interval(members: npt.ArrayLike, others: npt.ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Interval for P(a member's score is higher), ties half, from scores (m,) and (n,).

    The examples are independent. DeLong's variance on the logit scale, so that it stays inside (0, 1). Where
    the scores leave no variance (all tied, or perfectly apart), the exact interval of as many trials as the
    smaller set has examples.
    ValueError for an empty set.
    Sources: DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988); Sun and Xu (IEEE SPL 21, 2014).
    """
    x, y = np.asarray(members, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if not (x.size and y.size):
        raise ValueError(f"an area needs scores on both sides; got {x.size} and {y.size}")
    ranks = _midranks(np.concatenate([x, y]))
    above = (ranks[: x.size] - _midranks(x)) / y.size  # (m,): share of the others below each member
    below = 1 - (ranks[x.size :] - _midranks(y)) / x.size  # (n,)
    area = float(above.mean())
    variance = sum(float(part.var(ddof=1)) / part.size for part in (above, below) if part.size > 1)
    if variance <= 0 or not 0 < area < 1:
        trials = min(x.size, y.size)
        return clopper_pearson(round(area * trials), trials, level)
    half = float(ndtri((1 + level) / 2)) * variance**0.5 / (area * (1 - area))
    middle = float(logit(area))
    return float(expit(middle - half)), float(expit(middle + half))


def _midranks(values: Floats) -> Floats:
    """Ranks from 1, equal values the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean: Floats = np.cumsum(counts) - (counts - 1) / 2
    return mean[inverse]
