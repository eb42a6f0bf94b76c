"""Tests over seeds: one-sided t (also paired), two one-sided tests for equivalence, Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr


def mean_above(values: npt.ArrayLike, bound: float) -> float:
    """One-sided p value of a t test whose alternative is "the mean of values, shape (n,), is above bound".

    For a paired comparison give the differences. Without any spread the p value is 0, 1/2 or 1: the
    mean is above the bound, equal to it, or below it. Raises ValueError for fewer than 2 values.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size < 2:
        raise ValueError(f"a t test needs at least 2 values in one row; its input has shape {x.shape}")
    if np.ptp(x) == 0:
        return float((1 - np.sign(x[0] - bound)) / 2)
    t = (x.mean() - bound) / np.sqrt(x.var(ddof=1) / x.size)
    return float(stdtr(x.size - 1, -t))


def mean_below(values: npt.ArrayLike, bound: float) -> float:
    """As `mean_above`, with the alternative "below"."""
    return mean_above(-np.asarray(values, dtype=np.float64), -bound)


def tost(values: npt.ArrayLike, low: float, high: float) -> float:
    """P value of the two one-sided tests for "the mean of values lies between low and high".

    Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987. Bounds may be infinite.
    """
    if not low < high:
        raise ValueError(f"the lower equivalence bound {low} must be below the upper one {high}")
    above = 0.0 if np.isneginf(low) else mean_above(values, low)
    below = 0.0 if np.isposinf(high) else mean_below(values, high)
    return max(above, below)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted by Holm's step-down method (Scand. J. Statist. 6, 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(np.arange(p.size, 0, -1) * p[order])
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(steps, 1.0)
    return [float(value) for value in adjusted]
