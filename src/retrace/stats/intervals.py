"""Confidence intervals for a mean over seeds and for a proportion."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri, stdtrit  # scipy.stats takes half a second to import


def t_interval(values: npt.ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Student's t interval for the mean of independent values, shape (n,), n >= 2; else ValueError."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size < 2:
        raise ValueError(f"a t interval needs at least 2 values in one row; its input has shape {x.shape}")
    half = float(stdtrit(x.size - 1, (1 + level) / 2) * x.std(ddof=1) / np.sqrt(x.size))
    return float(x.mean()) - half, float(x.mean()) + half


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval for a proportion (Clopper and Pearson, Biometrika 26, 1934); never too short."""
    _check(successes, trials)
    failures, tail = trials - successes, (1 - level) / 2
    low = betaincinv(successes, failures + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, failures, 1 - tail) if failures else 1.0
    return float(low), float(high)


def wilson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval for a proportion (Wilson, JASA 22, 1927); close to its level on average."""
    _check(successes, trials)
    share, z = successes / trials, float(ndtri((1 + level) / 2))
    middle = share + z**2 / (2 * trials)
    half = z * np.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    scale = 1 + z**2 / trials
    low = float((middle - half) / scale) if successes else 0.0
    high = float((middle + half) / scale) if successes < trials else 1.0
    return low, high


def _check(successes: int, trials: int) -> None:
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(
            f"a proportion needs 0 <= successes <= trials and a trial; got {successes} of {trials}"
        )
