"""Inference about a mean over seeds and what they share: items, groups, or nothing but a designed grid.

A quantity is a sum of strata, each a mean over its units weighed by a constant: one stratum a group of rows,
say, or one more with a minus for what is subtracted. Seeds are always a sample; units are a sample that all
seeds share (test images), or fixed (the intensities of a designed grid). With fixed units the test is
Student's t over seeds. With random ones it is Clark's quasi-F as a t test: the variance of a mean over S
seeds crossed with U units is (MS_seeds + MS_units - MS_rest) / (S U), here never below the larger one-way
part, with Satterthwaite's degrees of freedom (Clark, "The language-as-fixed-effect fallacy", Journal of
Verbal Learning and Verbal Behavior 12, 1973; Satterthwaite, Biometrics Bulletin 2, 1946). Satterthwaite's
formula is too sure where few seeds carry most of the variance, so no p value is smaller than that of the t
test over seeds alone or over units alone. Skewed units enter by Hall's transformation of t (Journal of the
Royal Statistical Society B 54, 1992).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from retrace.stats.correlation import Array

ROUNDING = 1e-12  # share of the largest value below which a spread or a mean is nothing but rounding


@dataclass(frozen=True)
class Stratum:
    """Values (seeds, units), nan where a seed lacks one, and what their mean is multiplied by in the sum."""

    values: Array
    weight: float = 1.0


@dataclass(frozen=True)
class Pivot:
    """A t test of a sum: its standard error, degrees of freedom, and the skewness of (sum - truth) / se."""

    se: float
    df: float
    skew: float = 0.0

    def above(self, gap: float, freedom: float = 1.0) -> float:
        """P value of a sum that lies `gap` above a bound; the alternative is "the sum is above it"."""
        t, skew = gap / self.se, self.skew
        unskewed = t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6
        return float(stdtr(freedom * self.df, -unskewed))

    def gap(self, p: float, freedom: float = 1.0) -> float:
        """The gap whose p value is `p`."""
        unskewed, skew = -float(stdtrit(freedom * self.df, p)), self.skew
        if abs(skew) < ROUNDING:
            return self.se * unskewed
        return self.se * 3 / skew * (float(np.cbrt(1 + skew * (unskewed - skew / 6))) - 1)


@dataclass(frozen=True)
class Estimate:
    """A sum of means with its uncertainty.

    `tests` are t tests none of which may give a smaller p value, that of the largest standard error first;
    there are none where nothing varies or one seed is all. `seeds`, `units` and `rest` are the parts of the
    variance that fall to seeds, units, and their interaction (each already divided by its numbers, `seeds`
    and `units` holding `rest` as mean squares do).
    """

    value: float
    tests: tuple[Pivot, ...] = ()
    seeds: float = 0.0
    units: float = 0.0
    rest: float = 0.0

    def above(self, bound: float, freedom: float = 1.0) -> float:
        """One-sided p value whose alternative is "the sum is above bound"; nan without a standard error.

        `freedom` is the share of the degrees of freedom that the test uses: less than all for values that
        are skewed towards the alternative.
        """
        return max((test.above(self.value - bound, freedom) for test in self.tests), default=math.nan)

    def below(self, bound: float, freedom: float = 1.0) -> float:
        """As `above`, with the alternative "below"."""
        return max((1 - test.above(self.value - bound, freedom) for test in self.tests), default=math.nan)

    def interval(self, level: float = 0.95, freedom: tuple[float, float] = (1.0, 1.0)) -> tuple[float, float]:
        """The bounds that the tests do not refuse at (1 - level) / 2 a side; (nan, nan) without a test.

        `freedom` is that of the tests "above" and "below".
        """
        tail = (1 - level) / 2
        low = max((test.gap(tail, freedom[0]) for test in self.tests), default=math.nan)
        high = min((test.gap(1 - tail, freedom[1]) for test in self.tests), default=math.nan)
        return self.value - low, self.value - high

    def least_sure(self, bound: float) -> Pivot | None:
        """The test whose p value against a bound counts; None without one."""
        gap, side = self.value - bound, 1 if self.value > bound else -1
        return max(self.tests, key=lambda test: side * test.above(gap), default=None)

    def seeds_needed(self, seeds: int) -> tuple[float, float]:
        """Standard deviation between seeds, and the standard error that more of them would leave."""
        stays = max(self.units - self.rest, 0.0)
        return math.sqrt(max(self.seeds, self.rest) * seeds), math.sqrt(stays)


def estimate(strata: Sequence[Stratum], random_units: bool, skewed: bool = True) -> Estimate:
    """The sum of the strata's weighed means over seeds and units, with its standard error.

    A mean over seeds is taken stratum by stratum over the seeds that have it, so strata may differ in their
    seeds (rows of `values` stand for the same seeds in all of them). `random_units` says whether units are a
    sample, too, `skewed` whether their skewness counts (not where the test has a scale of its own). Raises
    ValueError without strata or where a stratum is nowhere defined.
    """
    if not strata or any(not np.isfinite(s.values).any() for s in strata):
        raise ValueError("an estimate needs strata with a finite value each")
    weights = np.array([s.weight for s in strata])
    means = np.stack([finite_mean(s.values, 1) for s in strata], axis=1)  # (seeds, strata)
    there = np.isfinite(means)
    value = float(weights @ finite_mean(means, 0))
    scale = float(np.abs(weights) @ np.nanmax(np.abs(means), axis=0))
    value = 0.0 if abs(value) < ROUNDING * scale else value  # a tie is no support
    counts = there.sum(0)
    if counts.min() < 2:
        return Estimate(value)
    between = _seed_variance(means, there, weights)
    lowest = float(counts.min() - 1)
    if not random_units:
        return Estimate(value, _tests(scale, (between, lowest, 0.0)), between)
    parts = [_unit_variances(s) for s in strata if s.values.shape[1] > 1]
    units, rest, third = (sum(part[place] for part in parts) for place in (0, 1, 4))
    alone = _satterthwaite(units, [(p[0], p[2]) for p in parts])
    third = third if skewed else 0.0
    one_way = [(between, lowest, 0.0), (units, alone, third)]
    both = between + units - rest
    if both <= max(between, units):  # subtraction may leave less than one side alone has
        return Estimate(value, _tests(scale, *one_way), between, units, rest)
    terms = [(between, lowest)]
    terms += [term for p in parts for term in ((p[0], p[2]), (p[1], p[3]))]
    df = max(_satterthwaite(both, terms), min([lowest, *(p[2] for p in parts)]))
    return Estimate(value, _tests(scale, (both, df, third), *one_way), between, units, rest)


def _tests(scale: float, *moments: tuple[float, float, float]) -> tuple[Pivot, ...]:
    """Tests from variance, degrees of freedom and third moment of the sum; without what is but rounding."""
    kept = sorted((each for each in moments if math.sqrt(each[0]) >= ROUNDING * scale > 0), reverse=True)
    return tuple(Pivot(math.sqrt(v), df, third / v**1.5) for v, df, third in kept)


def _seed_variance(means: Array, there: npt.NDArray[np.bool_], weights: Array) -> float:
    """Variance of the sum that falls to seeds: covariances of strata over the seeds that both have."""
    centred = np.where(there, means - finite_mean(means, 0), 0.0)
    shared = there.T.astype(np.float64) @ there
    own = there.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = np.where(shared > 1, (centred.T @ centred) / (shared - 1), 0.0)
    variance = covariance * shared / np.outer(own, own)
    least = float(np.max(weights**2 * np.diag(variance))) if len(weights) == 1 or not there.all() else 0.0
    return max(float(weights @ variance @ weights), least, 0.0)


def _unit_variances(stratum: Stratum) -> tuple[float, float, float, float, float]:
    """Variance that falls to units and to the rest, the degrees of freedom of both, units' third moment."""
    values, square = stratum.values, stratum.weight**2
    present = np.isfinite(values).any(0)
    values = values[:, present]
    seeds, units = int(np.isfinite(values).any(1).sum()), values.shape[1]
    if units < 2:
        return 0.0, 0.0, 1.0, 1.0, 0.0
    columns = finite_mean(values, 0)
    rest = values - columns - finite_mean(values, 1)[:, None] + np.nanmean(values)
    df = (seeds - 1) * (units - 1)
    mean_square = float(np.nansum(rest**2)) / df
    cubes = float(((columns - columns.mean()) ** 3).sum()) / ((units - 1) * max(units - 2, 1) * units)
    return (
        square * float(columns.var(ddof=1)) / units,
        square * mean_square / (seeds * units),
        float(units - 1),
        float(df),
        stratum.weight**3 * cubes,
    )


def _satterthwaite(total: float, terms: Sequence[tuple[float, float]]) -> float:
    below = sum(part**2 / df for part, df in terms)
    return total**2 / below if below > 0 else float("nan")


def finite_mean(values: Array, axis: int = -1) -> Array:
    """Mean of the finite values along an axis, nan where none is."""
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(finite, values, 0.0).sum(axis) / finite.sum(axis))
