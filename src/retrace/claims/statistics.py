"""The statistics that claims may name: functions of one or two columns along the last axis, with weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from retrace.stats.correlation import Array, kendall, pearson, spearman


@dataclass(frozen=True)
class Statistic:
    """`function(*columns, weights)` for `columns` arrays (..., n); groups below `least_rows` are left out.

    `linear`: the mean of its rows' own values (of two columns: of their differences). `smooth`: so nearly so
    that leaving rows out in turn tells its variance (the jackknife fails for a median).
    """

    function: Callable[..., Array]
    columns: int
    least_rows: int
    symbol: str
    correlates: bool = False
    linear: bool = False
    smooth: bool = True


def mean(x: Array, weights: Array) -> Array:
    """Weighted mean along the last axis."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((x * weights).sum(-1) / (weights + 0 * x).sum(-1))


def median(x: Array, weights: Array) -> Array:
    """Median along the last axis, every value repeated as its (whole) weight says; nan if x holds one."""
    shape = np.broadcast_shapes(x.shape, weights.shape)
    x, weights = np.broadcast_to(x, shape), np.broadcast_to(weights, shape)
    order = np.argsort(x, axis=-1, kind="stable")
    ordered, upto = np.take_along_axis(x, order, -1), np.cumsum(np.take_along_axis(weights, order, -1), -1)
    total = upto[..., -1:]
    middle = np.zeros(shape[:-1])
    for position in (np.ceil(total / 2), np.floor(total / 2) + 1):
        at = (upto >= position).argmax(-1)[..., None]
        middle = middle + np.take_along_axis(ordered, at, -1)[..., 0] / 2
    return np.where(np.isnan(x).any(-1) | (total[..., 0] <= 0), np.nan, middle)


def ratio(x: Array, y: Array, weights: Array) -> Array:
    """Mean of x over mean of y; nan where the mean of y is zero."""
    low = mean(y, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(low == 0, np.nan, mean(x, weights) / low)


def difference(x: Array, y: Array, weights: Array) -> Array:
    """Mean of x minus y, row by row."""
    return mean(x - y, weights)


def pearson_log(x: Array, y: Array, weights: Array) -> Array:
    """Pearson correlation of x with the logarithm of y; nan where a y is not positive."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return pearson(x, np.where(y > 0, np.log(y), np.nan), weights)


STATISTICS: dict[str, Statistic] = {
    "mean": Statistic(mean, 1, 1, "mean", linear=True),
    "median": Statistic(median, 1, 1, "median", smooth=False),
    "ratio": Statistic(ratio, 2, 1, "ratio"),
    "difference": Statistic(difference, 2, 1, "difference", linear=True),
    "pearson": Statistic(pearson, 2, 3, "r", correlates=True),
    "pearson_log": Statistic(pearson_log, 2, 3, "r with log", correlates=True),
    "spearman": Statistic(spearman, 2, 3, "rho", correlates=True),
    "kendall": Statistic(kendall, 2, 3, "tau", correlates=True),
}
