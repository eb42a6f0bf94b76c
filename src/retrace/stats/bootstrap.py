"""Two-level bootstrap: seeds, and the rows or groups that all seeds share.

The rows (conditions of reuse) are crossed with the seeds, so both levels are drawn at once and one
drawn set of rows serves every seed, as in the pigeonhole bootstrap (Owen, "The pigeonhole bootstrap",
Annals of Applied Statistics 1(2), 2007); its variance errs on the large side. Of S seeds S - 1 are drawn,
which makes the variance of their mean unbiased (Rao and Wu, "Resampling inference with complex survey
data", JASA 83, 1988); with two or three seeds the plain bootstrap is far too sure.
Draws are counts, so quantities evaluated with the same `Draws` are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrace.stats.correlation import Array


@dataclass(frozen=True)
class Draws:
    """How often each replicate holds each seed, `seeds` (B, S), and each unit, `units` (B, U)."""

    seeds: Array
    units: Array


def draw(rng: np.random.Generator, replicates: int, seeds: int, strata: Sequence[int]) -> Draws:
    """Draw `replicates` resamples of the seeds and, stratum by stratum, of the units.

    `strata` holds the number of units in each stratum (for rows: the groups; for groups: one stratum);
    the columns of `Draws.units` follow that order. Raises ValueError without seeds or with an empty stratum.
    """
    if seeds < 1 or replicates < 1 or any(size < 1 for size in strata):
        raise ValueError(
            f"nothing to draw from: {replicates} replicates, {seeds} seeds, strata of {list(strata)} units"
        )
    counts = rng.multinomial(max(seeds - 1, 1), np.full(seeds, 1 / seeds), size=replicates)
    blocks = [rng.multinomial(size, np.full(size, 1 / size), size=replicates) for size in strata]
    units = np.concatenate(blocks, axis=1) if blocks else np.empty((replicates, 0))
    return Draws(counts.astype(np.float64), units.astype(np.float64))


def weighted_mean(values: Array, counts: Array) -> Array:
    """Mean over the last axis of the finite values, each as often as `counts` says; nan where none is left.

    values and counts have shapes (..., k) that broadcast.
    """
    finite = np.isfinite(values)
    weights = np.where(finite, counts, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((np.where(finite, values, 0.0) * weights).sum(-1) / weights.sum(-1))


def percentile_interval(replicates: Array, level: float = 0.95) -> tuple[float, float]:
    """Equal-tailed percentile interval of the finite replicates, shape (B,); (nan, nan) if none is."""
    finite = replicates[np.isfinite(replicates)]
    if not finite.size:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def achieved_significance(meets: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    """One-sided significance (1 + replicates that do not meet the hypothesis) / (1 + replicates).

    `meets`, shape (B,), says of each finite replicate whether it lies inside the hypothesis
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 15.4, with the usual +1).
    """
    return float((1 + np.count_nonzero(~meets)) / (1 + meets.size))
