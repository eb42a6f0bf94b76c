"""The rule that turns a measurement into a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from retrace.claims.expect import number
from retrace.claims.looks import FUTILE, MOST_SEEDS
from retrace.claims.measure import Measurement, freedom_of, p_above, p_below, p_meets
from retrace.claims.model import Claim
from retrace.claims.statistics import STATISTICS
from retrace.claims.trial import ALPHA, Trial
from retrace.claims.words import Code
from retrace.stats.power import power_at

MAX_UNDEFINED = 0.2  # share of groups that may lack an outcome
LEAST_SEEDS_NEAR = 5


@dataclass(frozen=True)
class Verdict:
    """A code of `words` and the reason for it."""

    code: Code
    reason: str


def unfit(trial: Trial, untested: Mapping[str, str]) -> Verdict | None:
    """The verdict on what cannot be tested whatever the other claims are; None if it can."""
    claim, found = trial.claim, trial.found
    if found is None:
        code: Code = "not-measurable" if claim.testable else "not-run"
        return Verdict(code, trial.missing)
    if trial.control and trial.control.reason:
        return Verdict("not-run", f"its control, {trial.control.label}: {trial.control.reason}")
    if trial.closed:
        return Verdict("not-measurable", trial.closed)
    if found.share_undefined > MAX_UNDEFINED or not math.isfinite(found.value):
        lost = found.layout.undefined
        first = f", first {lost[0]}" if lost else ""
        return Verdict(
            "not-measurable",
            f"the statistic is undefined in {len(lost)} of {found.layout.blocks} groups{first}: a column is "
            "constant or not finite there",
        )
    for column in sorted(claim.evidence.columns() & set(untested)) if claim.evidence else ():
        return Verdict("not-measurable", f"{column} is {untested[column]}; as it is: {_value(found)}")
    if found.random == "nothing":
        return None
    if len(found.seeds) < 2:
        return Verdict("open", f"{_value(found)}: {len(found.seeds)} seed; a test needs at least 2")
    if claim.expect and any(math.isnan(p) for p in p_meets(found, claim.expect)):
        return Verdict(
            "not-measurable", f"{_value(found)}: all seeds agree exactly, so that nothing says how sure it is"
        )
    return None


def counted(trial: Trial) -> Verdict:
    """The verdict on a value that is counted, not sampled: the value itself decides."""
    found, expect = trial.found, trial.claim.expect
    assert found is not None
    assert expect is not None
    told = f"{number(found.value)}, counted"
    if expect.meets(found.value):
        return _specific(trial, f"{told}: {expect.words()}")
    return Verdict("refuted", f"{told}: not {expect.words()}")


def decide(trial: Trial, p: tuple[float, float], adjusted: float, alpha: float) -> Verdict:
    """The verdict at 5 % from the p values of `p_meets` and the smaller one adjusted for the family.

    `alpha` is the level that the family leaves this claim alone, for what would decide it.
    """
    claim, found, expect = trial.claim, trial.found, trial.claim.expect
    assert found is not None
    assert expect is not None
    told = _value(found)
    if adjusted < ALPHA:
        if p[0] < p[1]:
            return _specific(trial, f"{told}: {expect.words()}")
        code: Code = "margin" if _sign_agrees(claim, found) else "refuted"
        return Verdict(code, f"{told}: not {expect.words()}")
    bound = expect.nearest(found.value)
    gap, kept = abs(found.value - found.seen(bound)), freedom_of(found, bound)
    spread, stays = found.estimate.seeds_needed(len(found.seeds))
    futile = power_at(gap, spread, stays, MOST_SEEDS, alpha, kept) < FUTILE
    if len(found.seeds) >= LEAST_SEEDS_NEAR and futile:
        far = max(
            abs(end - edge)
            for end in found.interval
            for edge in (expect.low, expect.high)
            if math.isfinite(edge)
        )
        return Verdict("near", f"{told}: {expect.words()} or not, it is at most {number(far)} away from it")
    doubt = (
        "clear alone, not among its paper's claims"
        if min(p) < ALPHA
        else f"not clearly {expect.words()} or otherwise"
    )
    if _sign_agrees(claim, found):
        doubt += "; the sign is clear, the margin is not"
    return Verdict("open", f"{told}: {doubt}")


def _specific(trial: Trial, told: str) -> Verdict:
    """Supported, unless the control meets the expectation as well as the claim does."""
    control = trial.control
    if control is None or control.specific:
        return Verdict("supported", told)
    label = control.label
    if control.passes is None:
        return Verdict("not-specific", f"{told}; the control ({label}) is undefined")
    says = "meets it, too" if control.passes else "is not clearly further from it"
    return Verdict("not-specific", f"{told}; the control ({label}) {says}")


def _sign_agrees(claim: Claim, found: Measurement) -> bool:
    """Whether a margin is asked for beyond zero, and the value is clearly on the margin's side of zero."""
    evidence, expect = claim.evidence, claim.expect
    if evidence is None or expect is None:
        return False
    statistic = STATISTICS[evidence.statistic]
    if not (evidence.versus or statistic.correlates or evidence.statistic == "difference"):
        return False
    if expect.low > 0 and expect.high == math.inf:
        return p_above(found, 0.0) < ALPHA
    if expect.high < 0 and expect.low == -math.inf:
        return p_below(found, 0.0) < ALPHA
    return False


def _value(found: Measurement) -> str:
    low, high = found.interval
    told = f"{number(found.value)}, interval {number(low)} to {number(high)}"
    if lost := found.layout.undefined:
        told += f" ({len(lost)} of {found.layout.blocks} groups undefined, left out)"
    return told
