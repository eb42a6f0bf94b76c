"""How many seeds or items would decide a claim, and how likely a number of them does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit


def power_at(
    gap: float, seed_sd: float, fixed_se: float, seeds: int, alpha: float, freedom: float = 1.0
) -> float:
    """Chance that a one-sided test at `alpha` over so many seeds finds a true gap; nan for unknown inputs.

    `gap` is the distance between the measured value and the threshold, `seed_sd` the standard deviation
    between seeds, `fixed_se` the part of the standard error that more seeds do not reduce (the sampling of
    items), `freedom` the share of the degrees of freedom that the test uses.
    """
    se = math.sqrt(fixed_se**2 + seed_sd**2 / seeds)
    if not math.isfinite(se) or seeds < 2:
        return float("nan")
    if se == 0:
        return float(abs(gap) > 0)
    return float(stdtr(seeds - 1, abs(gap) / se - stdtrit(freedom * (seeds - 1), 1 - alpha)))


def seeds_to_decide(
    gap: float,
    seed_sd: float,
    fixed_se: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
    limit: int = 1000,
    freedom: float = 1.0,
) -> int | None:
    """Smallest number of seeds whose one-sided test at `alpha` finds a true gap with the given power.

    Arguments as in `power_at`. Standard approximation: gap >= (t_(1-alpha, n-1) + t_(power, n-1)) * standard
    error. None where no number up to `limit` is enough, or an input is not finite.
    """
    if not np.isfinite([gap, seed_sd, fixed_se]).all():
        return None
    n = np.arange(2, limit + 1)
    standard_error = np.sqrt(fixed_se**2 + seed_sd**2 / n)
    factor = stdtrit(freedom * (n - 1), 1 - alpha) + stdtrit(n - 1, power)
    enough = (abs(gap) > 0) & (abs(gap) >= factor * standard_error)
    return int(n[enough.argmax()]) if enough.any() else None


def predictive_power(
    gap: float, seed_sd: float, fixed_se: float, seeds: int, upto: int, alpha: float, freedom: float = 1.0
) -> float:
    """Chance that the test at `alpha` over the first `upto` seeds decides, given what `seeds` of them say.

    `gap`: distance of their mean from the threshold, other arguments as in `power_at`. The mean of `upto`
    seeds is drawn around that of the first: the true mean is as uncertain as they leave it (Spiegelhalter,
    Freedman and Blackburn, Controlled Clinical Trials 7, 1986), so its scale is seed_sd * sqrt(1 / seeds -
    1 / upto). Both directions count. nan for unknown inputs or fewer than two seeds.
    """
    if seeds < 2 or upto < seeds or not np.isfinite([gap, seed_sd, fixed_se]).all():
        return float("nan")
    bar = float(stdtrit(freedom * (upto - 1), 1 - alpha)) * math.sqrt(fixed_se**2 + seed_sd**2 / upto)
    scale = seed_sd * math.sqrt(1 / seeds - 1 / upto)
    if scale == 0:
        return float(abs(gap) > bar)
    return float(stdtr(seeds - 1, (abs(gap) - bar) / scale) + stdtr(seeds - 1, (-abs(gap) - bar) / scale))


@dataclass(frozen=True)
class Spread:
    """The parts of the variance of a mean over `seeds` seeds and `units` units (items or groups).

    `of_seeds` and `of_units` are what their main effects add to it, `rest` what their interaction adds: each
    already divided by its numbers.
    """

    of_seeds: float
    of_units: float
    rest: float
    seeds: int
    units: int

    def power(self, gap: float, seeds: int, units: int, alpha: float) -> float:
        """Chance that a one-sided test at `alpha` over so many seeds and units finds a true gap."""
        by_seeds, by_units = self.seeds / seeds, self.units / units
        rest = self.rest * by_seeds * by_units
        rows, columns = self.of_seeds * by_seeds + rest, self.of_units * by_units + rest
        variance = rows + columns - rest
        if variance <= 0:
            return float(abs(gap) > 0)
        df = variance**2 / (rows**2 / (seeds - 1) + columns**2 / (units - 1))
        return float(stdtr(df, abs(gap) / math.sqrt(variance) - stdtrit(df, 1 - alpha)))

    def units_to_decide(
        self, gap: float, seeds: int, alpha: float, power: float = 0.8, limit: int = 100_000
    ) -> int | None:
        """Smallest number of units that gives `power` with so many seeds; None if none up to `limit` does."""
        if seeds < 2 or not gap:
            return None
        return _smallest(lambda units: self.power(gap, seeds, units, alpha) >= power, 2, limit)


def items_to_reach(best: Callable[[int], float], alpha: float, limit: int = 100_000) -> int | None:
    """Smallest number of items whose best outcome has a p value, `best(items)`, below `alpha`."""
    return _smallest(lambda items: best(items) < alpha, 1, limit)


def _smallest(enough: Callable[[int], bool], low: int, high: int) -> int | None:
    """The smallest whole number from `low` to `high` that is enough, as are all above it; or None."""
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
