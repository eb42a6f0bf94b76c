"""How many seeds would decide a claim, and how likely a number of them does."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtr, stdtrit


def power_at(gap: float, seed_sd: float, fixed_se: float, seeds: int, alpha: float) -> float:
    """Chance that a one-sided test at `alpha` over so many seeds finds a true gap; nan for unknown inputs.

    `gap` is the distance between the measured value and the threshold, `seed_sd` the standard deviation
    between seeds, `fixed_se` the part of the standard error that more seeds do not reduce (the sampling of
    items).
    """
    se = math.sqrt(fixed_se**2 + seed_sd**2 / seeds)
    if not math.isfinite(se) or seeds < 2:
        return float("nan")
    if se == 0:
        return float(abs(gap) > 0)
    return float(stdtr(seeds - 1, abs(gap) / se - stdtrit(seeds - 1, 1 - alpha)))


def seeds_to_decide(
    gap: float,
    seed_sd: float,
    fixed_se: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
    limit: int = 1000,
) -> int | None:
    """Smallest number of seeds whose one-sided test at `alpha` finds a true gap with the given power.

    Arguments as in `power_at`. Standard approximation: gap >= (t_(1-alpha, n-1) + t_(power, n-1)) * standard
    error. None where no number up to `limit` is enough, or an input is not finite.
    """
    if not np.isfinite([gap, seed_sd, fixed_se]).all():
        return None
    n = np.arange(2, limit + 1)
    standard_error = np.sqrt(fixed_se**2 + seed_sd**2 / n)
    factor = stdtrit(n - 1, 1 - alpha) + stdtrit(n - 1, power)
    enough = (abs(gap) > 0) & (abs(gap) >= factor * standard_error)
    return int(n[enough.argmax()]) if enough.any() else None
