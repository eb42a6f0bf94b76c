"""Measures a claim's statistic: value, interval, and what a test of it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from retrace.claims.expect import Expect
from retrace.claims.query import Evidence, Randomness
from retrace.claims.statistics import STATISTICS
from retrace.claims.strata import Layout, Random, apart, lay_out
from retrace.stats.correlation import Array, off_fishers_scale, on_fishers_scale
from retrace.stats.crossed import Estimate, estimate, finite_mean
from retrace.stats.intervals import clopper_pearson
from retrace.stats.shares import paired_above, paired_below, share_above, share_below

UNKNOWN = (float("nan"), float("nan"))
# Correlations are skewed away from 1, most where seeds differ in their noise, and on Fisher's scale a little.
SKEWED_FREEDOM = 0.6  # share of the degrees of freedom that is left to a test towards 1


@dataclass(frozen=True)
class Measurement:
    """What a claim, control or baseline came to.

    `value` is the mean over groups and seeds of the statistic, `interval` its interval at the level asked
    for. `shuffles` holds its values under each shuffle, where a column is shuffled (`value` is then their
    mean). `random` names what is a sample beside the seeds; "nothing" where the value is counted, not
    sampled.
    """

    value: float
    interval: tuple[float, float]
    estimate: Estimate
    layout: Layout
    random: Randomness
    shuffles: Array
    correlates: bool
    compares: bool

    @property
    def seeds(self) -> list[int]:
        """The seeds that the value rests on."""
        return self.layout.seeds

    @property
    def on_fishers_scale(self) -> bool:
        """Whether it is a mean of correlations; their differences have no such scale."""
        return self.correlates and not self.compares

    def seen(self, bound: float) -> float:
        """Where a bound lies on the scale of the test: Fisher's for a correlation, elsewhere as it is."""
        return on_fishers_scale(self.value, bound) if self.on_fishers_scale else bound

    def stretch(self, bound: float) -> float:
        """What that scale makes of the distance to a bound, as a factor."""
        return (self.value - self.seen(bound)) / (self.value - bound) if self.value != bound else 1.0

    @property
    def share_undefined(self) -> float:
        """Share of the seeds' groups without a finite outcome."""
        return len(self.layout.undefined) / self.layout.blocks


def randomness(evidence: Evidence, rows: Random) -> Randomness:
    """What is a sample: as the claim says, else as the study says of its rows, if the statistic allows."""
    if evidence.random is not None:
        return evidence.random
    return rows if STATISTICS[evidence.statistic].smooth else "seeds"


def measure(evidence: Evidence, table: pd.DataFrame, rows: Random, level: float) -> Measurement:
    """Measure one side, or the difference of two, on an `ordered` table.

    `rows` says what the study's rows are (see `randomness`). NoEvidence where the table lacks rows or
    columns.
    """
    random = randomness(evidence, rows)
    return measured(
        evidence, lay_out(evidence, table, "seeds" if random == "nothing" else random), random, level
    )


def measured(evidence: Evidence, layout: Layout, random: Randomness, level: float) -> Measurement:
    """As `measure`, of rows that are laid out already."""
    kind = (STATISTICS[evidence.statistic].correlates, evidence.versus is not None)
    if not layout.parts:
        shuffles = finite_mean(finite_mean(layout.point))
        finite = shuffles[np.isfinite(shuffles)]
        value = float(finite.mean()) if finite.size else float("nan")
        ends = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2]) if finite.size else UNKNOWN
        nothing = Estimate(value)
        return Measurement(value, (float(ends[0]), float(ends[1])), nothing, layout, random, shuffles, *kind)
    if not np.isfinite(layout.point).any(0).all():
        nothing = Estimate(float("nan"))
        return Measurement(nothing.value, UNKNOWN, nothing, layout, random, np.empty(0), *kind)
    of_its_own = bool(layout.shares) or (kind[0] and not kind[1])  # the scale or the tests of shares
    strata = [part.stratum for part in layout.parts]
    found = estimate(strata, random in ("items", "groups"), skewed=not of_its_own)
    counted = Measurement(found.value, (found.value, found.value), found, layout, random, np.empty(0), *kind)
    return counted if random == "nothing" else replace(counted, interval=_interval(counted, level))


def difference(first: Measurement, second: Measurement) -> Estimate | None:
    """The first minus the second, paired by seeds, and by units if they share them; None without a test."""
    if not (first.layout.parts and second.layout.parts and set(first.seeds) & set(second.seeds)):
        return None
    if not (math.isfinite(first.value) and math.isfinite(second.value)):
        return None
    parts = apart(first.layout, second.layout)
    random = first.random in ("items", "groups") and second.random in ("items", "groups")
    return estimate([part.stratum for part in parts], random)


def p_above(found: Measurement, bound: float) -> float:
    """P value whose alternative is "above bound"; nan where nothing varies that could tell.

    The larger of the t test's and, for shares, of a test that knows how shares spread.
    """
    p = found.estimate.above(found.seen(bound), freedom(found, towards_one=bound >= 0))
    return _p(found, p, share_floor(found.layout.shares, bound, above=True))


def p_below(found: Measurement, bound: float) -> float:
    """As `p_above`, with the alternative "below"."""
    p = found.estimate.below(found.seen(bound), freedom(found, towards_one=bound <= 0))
    return _p(found, p, share_floor(found.layout.shares, bound, above=False))


def p_meets(found: Measurement, expect: Expect) -> tuple[float, float]:
    """P values of the two null hypotheses "does not meet `expect`" and "meets `expect`".

    With two ends, meeting takes both one-sided tests (TOST: Schuirmann, Journal of Pharmacokinetics and
    Biopharmaceutics 15, 1987) and missing takes either, at half the level. nan where nothing varies.
    """
    ends = [
        (p_above(found, expect.low), p_below(found, expect.low)) if math.isfinite(expect.low) else None,
        (p_below(found, expect.high), p_above(found, expect.high)) if math.isfinite(expect.high) else None,
    ]
    given = [end for end in ends if end]
    return max(meets for meets, _ in given), min(1.0, min(misses for _, misses in given) * len(given))


def _p(found: Measurement, p: float, floor: float) -> float:
    if math.isnan(p):
        return floor if found.layout.shares else p
    return max(p, floor)


def freedom(found: Measurement, towards_one: bool) -> float:
    """Share of the degrees of freedom that a test keeps; less for a correlation that may be skewed its way.

    The difference of two correlations may be skewed either way.
    """
    return SKEWED_FREEDOM if found.correlates and (towards_one or found.compares) else 1.0


def freedom_of(found: Measurement, bound: float) -> float:
    """`freedom` of a test of the value against a bound, the way that the value lies."""
    return freedom(found, towards_one=bound >= 0 if found.value > bound else bound <= 0)


def share_floor(shares: list[Array], bound: float, above: bool, items: int | None = None) -> float:
    """The least p value that so many yes-or-no items allow, as though one network had answered them.

    `items`: as it would be with so many that are answered alike; 0 without shares.
    """
    if not shares:
        return 0.0
    times = 1.0 if items is None else items / shares[0].shape[1]
    items = shares[0].shape[1] if items is None else items
    first = times * finite_mean(shares[0].T)
    if len(shares) == 1:
        test = share_above if above else share_below
        return test(float(first.sum()), items, bound)
    second = times * finite_mean(shares[1].T)
    gained, lost = (float(np.maximum(d, 0).sum()) for d in (first - second, second - first))
    return (paired_above if above else paired_below)(gained, lost, items, bound)


def _interval(found: Measurement, level: float) -> tuple[float, float]:
    """What the tests do not refuse: of shares what they can be, of one share its exact interval at least."""
    kept = freedom(found, towards_one=found.value >= 0), freedom(found, towards_one=found.value <= 0)
    low, high = found.estimate.interval(level, kept)
    if found.on_fishers_scale:
        low, high = (off_fishers_scale(found.value, end) for end in (low, high))
    if len(found.layout.shares) == 2:
        return float(np.clip(low, -1, 1)), float(np.clip(high, -1, 1))  # nan stays
    if not found.layout.shares:
        return low, high
    items = found.layout.shares[0].shape[1]
    exact = clopper_pearson(found.value * items, items, level)
    return max(0.0, float(np.nanmin([low, exact[0]]))), min(1.0, float(np.nanmax([high, exact[1]])))
