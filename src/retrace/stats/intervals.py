"""Confidence intervals for a mean over seeds and for a proportion."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats


def t_interval(values: npt.ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Student's t interval for the mean of independent values, shape (n,), n >= 2; else ValueError."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size < 2:
        raise ValueError(f"a t interval needs at least 2 values in one row; its input has shape {x.shape}")
    half = float(stats.t.ppf((1 + level) / 2, x.size - 1) * x.std(ddof=1) / np.sqrt(x.size))
    return float(x.mean()) - half, float(x.mean()) + half


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval for a proportion (Clopper and Pearson, Biometrika 26, 1934); never too short."""
    return _proportion(successes, trials, level, "exact")


def wilson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval for a proportion (Wilson, JASA 22, 1927); close to its level on average."""
    return _proportion(successes, trials, level, "wilson")


def _proportion(
    successes: int, trials: int, level: float, method: Literal["exact", "wilson"]
) -> tuple[float, float]:
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(
            f"a proportion needs 0 <= successes <= trials and a trial; got {successes} of {trials}"
        )
    interval = stats.binomtest(successes, trials).proportion_ci(level, method=method)
    return float(interval.low), float(interval.high)
