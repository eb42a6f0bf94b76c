"""Pearson, Spearman and Kendall correlation along the last axis, with frequency weights."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
MOST = 1 - 1e-9  # jackknifed correlations may come out at 1 or beyond


def pearson(x: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Array:
    """Pearson correlation of x and y along their last axis.

    x, y and weights have shapes (..., n) that broadcast; a weight of k counts as the pair repeated k
    times. Returns shape (...): in [-1, 1], or nan where x or y is constant, empty or not finite.
    """
    x, y, w = _triple(x, y, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = w.sum(-1, keepdims=True)
        dx = x - (w * x).sum(-1, keepdims=True) / total
        dy = y - (w * y).sum(-1, keepdims=True) / total
        r = (w * dx * dy).sum(-1) / np.sqrt((w * dx * dx).sum(-1) * (w * dy * dy).sum(-1))
    # A constant such as three times 0.1 leaves a rounding error for a variance, hence the exact check.
    return np.where(_constant(x, w) | _constant(y, w), np.nan, np.clip(r, -1.0, 1.0))


def spearman(x: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Array:
    """Spearman's rho, the Pearson correlation of mid-ranks; shapes, weights and nan as in `pearson`."""
    x, y, w = _triple(x, y, weights)
    return pearson(ranks(x, w), ranks(y, w), w)


def kendall(x: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Array:
    """Kendall's tau-b, corrected for ties; shapes, weights and nan as in `pearson`; n^2 memory."""
    x, y, w = _triple(x, y, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        sx = np.sign(x[..., :, None] - x[..., None, :])
        sy = np.sign(y[..., :, None] - y[..., None, :])
        untied = np.sqrt(_pairs(np.abs(sx), w)) * np.sqrt(_pairs(np.abs(sy), w))
        tau = _pairs(sx * sy, w) / untied
    return np.where(untied == 0, np.nan, np.clip(tau, -1.0, 1.0))


def on_fishers_scale(value: float, bound: float) -> float:
    """Where `bound` lies as seen from `value`, a mean of correlations, on Fisher's scale.

    A correlation near r has a standard deviation as 1 - r^2 and is skewed away from 1; artanh r is nearly
    free of both (Fisher, Metron 1, 1921). The scale is stretched to have slope 1 at `value`, so that the
    distance from `value` over its standard error is the test's t. Infinite for bounds of 1 and beyond.
    """
    value = min(max(value, -MOST), MOST)
    if abs(bound) >= 1:
        return math.copysign(math.inf, bound)
    return value - (math.atanh(value) - math.atanh(bound)) * (1 - value**2)


def off_fishers_scale(value: float, seen: float) -> float:
    """The bound that `on_fishers_scale` puts at `seen`."""
    value = min(max(value, -MOST), MOST)
    return math.tanh(math.atanh(value) + (seen - value) / (1 - value**2))


def ranks(x: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Array:
    """Mid-ranks (1 to n, ties share their mean rank) along the last axis.

    x and weights have shapes (..., n) that broadcast; ranks count every value as often as its weight
    says. A nan anywhere along the axis makes all its ranks nan.
    """
    x, _, w = _triple(x, x, weights)
    order = np.argsort(x, axis=-1, kind="stable")
    ordered = np.take_along_axis(x, order, -1)
    starts = np.ones(x.shape, dtype=bool)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    ends = np.roll(starts, -1, axis=-1)
    place = np.arange(x.shape[-1])
    first = np.maximum.accumulate(np.where(starts, place, 0), axis=-1)
    last = np.minimum.accumulate(np.where(ends, place, place[-1:])[..., ::-1], axis=-1)[..., ::-1]

    shape = np.broadcast_shapes(x.shape, w.shape)
    order, first, last = (np.broadcast_to(a, shape) for a in (order, first, last))
    sorted_weights = np.take_along_axis(np.broadcast_to(w, shape), order, -1)
    upto = np.cumsum(sorted_weights, axis=-1)
    before = upto - sorted_weights
    middle = (np.take_along_axis(before, first, -1) + np.take_along_axis(upto, last, -1) + 1) / 2
    out = np.empty(shape)
    np.put_along_axis(out, order, middle, -1)
    return np.where(np.isnan(x).any(-1, keepdims=True), np.nan, out)


def _triple(x: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike | None) -> tuple[Array, Array, Array]:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim == 0 or y.ndim == 0 or x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"x and y must have last axes of one length; their shapes are {x.shape} and {y.shape}"
        )
    w = np.ones(x.shape[-1]) if weights is None else np.asarray(weights, dtype=np.float64)
    return x, y, w


def _constant(x: Array, w: Array) -> npt.NDArray[np.bool_]:
    present = w > 0
    low = np.where(present, x, np.inf).min(-1, initial=np.inf)
    high = np.where(present, x, -np.inf).max(-1, initial=-np.inf)
    return np.asarray(low == high)


def _pairs(matrix: Array, w: Array) -> Array:
    return np.asarray(((w[..., None, :] @ matrix)[..., 0, :] * w).sum(-1))
