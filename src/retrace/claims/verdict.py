"""The rule that turns a measurement into a verdict."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from retrace.claims.expect import Expect, number
from retrace.claims.measure import Measurement
from retrace.claims.record import Word
from retrace.claims.trial import Trial
from retrace.stats.bootstrap import achieved_significance
from retrace.stats.power import seeds_to_decide
from retrace.stats.tests import mean_above, mean_below, tost

ALPHA = 0.05
MAX_UNDEFINED = 0.2  # share of groups, or of resamples, that may lack an outcome


@dataclass(frozen=True)
class Verdict:
    """A word, the reason for it, and how many seeds would decide an undecided claim."""

    word: Word
    reason: str
    seeds_to_decide: int | None = None


def unfit(found: Measurement) -> str:
    """Why a measurement cannot be tested; empty if it can."""
    if found.share_undefined > MAX_UNDEFINED or not math.isfinite(found.value):
        first = f", first {found.undefined[0]}" if found.undefined else ""
        return (
            f"the statistic is undefined in {len(found.undefined)} of {found.blocks} groups{first} and in "
            f"{100 * found.lost_resamples:.0f} % of resamples: a column is constant or not finite there"
        )
    if np.count_nonzero(np.isfinite(found.per_seed)) < 2:
        return f"{len(found.seeds)} seed; an interval needs at least 2"
    return ""


def significance(found: Measurement, expect: Expect) -> tuple[float, float]:
    """P values of the two null hypotheses "does not meet `expect`" and "meets `expect`".

    By bootstrap where there are resamples, else by t tests over the seeds. With two ends, meeting takes both
    one-sided tests (TOST) and missing takes either, at half the level.
    """
    bounded = math.isfinite(expect.low), math.isfinite(expect.high)
    if found.resamples.size:
        drawn = found.resamples[np.isfinite(found.resamples)]
        met = expect.meets_low(drawn), expect.meets_high(drawn)
        p = max(achieved_significance(side) for side, on in zip(met, bounded, strict=True) if on)
        misses = [achieved_significance(~side) for side, on in zip(met, bounded, strict=True) if on]
    else:
        drawn = found.per_seed[np.isfinite(found.per_seed)]
        p = tost(drawn, expect.low, expect.high)
        tests = (mean_below, expect.low), (mean_above, expect.high)
        misses = [test(drawn, end) for (test, end), on in zip(tests, bounded, strict=True) if on]
    return p, min(1.0, min(misses) * len(misses))


def decide(
    found: Measurement, expect: Expect, p: tuple[float, float], p_holm: tuple[float, float], tests: int
) -> Verdict:
    """Supported or refuted at 5 % after Holm's correction over `tests` claims, else inconclusive.

    `p` and `p_holm` hold the p values of `significance`, raw and corrected.
    """
    low, high = found.interval
    value = f"{number(found.value)}, interval {number(low)} to {number(high)}"
    if found.undefined:
        value += f" ({len(found.undefined)} of {found.blocks} groups undefined, left out)"
    if p_holm[0] < ALPHA:
        return Verdict("supported", f"{value}: {expect.words()}")
    if p_holm[1] < ALPHA:
        return Verdict("refuted", f"{value}: not {expect.words()}")
    seeds = _enough_seeds(found, expect, ALPHA / tests)
    doubt = (
        f"clear alone, not among {tests} claims"
        if min(p) < ALPHA
        else f"not clearly {expect.words()} or otherwise"
    )
    more = (
        "more conditions are needed, seeds alone would not decide it"
        if found.resamples.size
        else "it is too close"
    )
    advice = f"about {seeds} seeds would decide it" if seeds else more
    return Verdict("inconclusive", f"{value}: {doubt}; {advice}", seeds)


def cap(verdict: Verdict, trial: Trial, estimated_columns: Collection[str]) -> Verdict:
    """Withhold a verdict that rests on estimated energy, and support whose control passes."""
    evidence, control = trial.claim.evidence, trial.control
    estimated = sorted(evidence.columns() & set(estimated_columns)) if evidence else []
    if estimated and verdict.word != "inconclusive":
        return Verdict(
            "inconclusive",
            f"{', '.join(estimated)} is time times an assumed power, no hardware counter; "
            f"as estimated it would be {verdict.word}: {verdict.reason}",
        )
    if verdict.word == "supported" and control and control.passes is not False:
        says = "meets the expectation too" if control.passes else "could not be measured"
        return replace(
            verdict, word="inconclusive", reason=f"the control ({control.label}) {says}; {verdict.reason}"
        )
    return verdict


def _enough_seeds(found: Measurement, expect: Expect, alpha: float) -> int | None:
    per_seed = found.per_seed[np.isfinite(found.per_seed)]
    gap = min(abs(found.value - end) for end in (expect.low, expect.high))
    seed_sd = float(per_seed.std(ddof=1))
    drawn = found.resamples[np.isfinite(found.resamples)]
    beyond_seeds = float(drawn.var()) - seed_sd**2 / per_seed.size if drawn.size else 0.0
    enough = seeds_to_decide(gap, seed_sd, math.sqrt(max(beyond_seeds, 0.0)), alpha)
    return None if enough is None else max(enough, len(found.seeds) + 1)
