"""Measures a claim, its control, its baselines and its companion statistics on the table of evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from retrace.claims.expect import Expect, number
from retrace.claims.measure import SKEWED_FREEDOM, Measurement, difference, measure, p_meets
from retrace.claims.model import Claim, Gate
from retrace.claims.query import Evidence, Labelled, Variation
from retrace.claims.record import Beside, Control, Interval
from retrace.claims.sample import NoEvidence
from retrace.claims.strata import Random

LEVEL = 0.95
ALPHA = 0.05


@dataclass(frozen=True)
class Trial:
    """A claim with what was found for it; without `found`, `missing` says why there is nothing.

    `closed` says which gate does not hold; empty where all do.
    """

    claim: Claim
    found: Measurement | None = None
    missing: str = ""
    control: Control | None = None
    baselines: list[Beside] = field(default_factory=list)
    also: list[Beside] = field(default_factory=list)
    closed: str = ""


def run_trial(claim: Claim, table: pd.DataFrame, rows: Random, looks: int = 1) -> Trial:
    """Measure all that a claim asks for in an `ordered` table; `rows` says what the study's rows are.

    At each of `looks` the control is held against an equal share of the level.
    """
    evidence, expect = claim.evidence, claim.expect
    if claim.testable or evidence is None or expect is None:
        return Trial(claim, missing=claim.testable.not_here if claim.testable else "")
    if table.empty:
        return Trial(claim, missing="no evidence yet")

    def beside(change: Variation) -> Beside:
        try:
            found = measure(evidence.varied(change), table, rows, LEVEL)
        except NoEvidence as missing:
            return Beside(label=change.label, reason=str(missing))
        return Beside(label=change.label, measured=finite(found.value), interval=ends(found))

    def held(change: Labelled) -> Control:
        try:
            found = measure(evidence.varied(change), table, rows, LEVEL)
        except NoEvidence as missing:
            return Control(label=change.label, reason=str(missing), passes=None, specific=False)
        return _held_against(expect, own, found, change.label, ALPHA / looks)

    try:
        own = measure(evidence, table, rows, LEVEL)
        closed = _closed(claim.gate, evidence.one_side(), table, rows)
    except NoEvidence as missing:
        return Trial(claim, missing=str(missing))
    return Trial(
        claim,
        own,
        control=held(claim.control) if claim.control else None,
        baselines=[beside(baseline) for baseline in claim.baselines],
        also=[beside(companion) for companion in claim.companions()],
        closed=closed,
    )


def _closed(gates: Sequence[Gate], side: Evidence, table: pd.DataFrame, rows: Random) -> str:
    """The first gate that does not hold, with its value over all seeds; empty where all hold.

    NoEvidence names a gate whose rows or columns the table lacks: what it asks is not known.
    """
    for gate in gates:
        try:
            value = measure(side.varied(gate), table, rows, LEVEL).value
        except NoEvidence as missing:
            raise NoEvidence(f"{gate.label}: {missing}") from None
        if not gate.expect.meets(value):
            return f"{gate.label}: {number(value)}, not {gate.expect.words()}"
    return ""


def _held_against(expect: Expect, own: Measurement, found: Measurement, label: str, alpha: float) -> Control:
    """The control: whether its value meets `expect`, and whether the claim goes clearly further than it."""
    value = finite(found.value)
    passes = None if value is None else bool(expect.meets(value))
    specific = passes is not None and _further(expect, own, found, passes, alpha)
    return Control(label=label, measured=value, interval=ends(found), passes=passes, specific=specific)


def _further(expect: Expect, own: Measurement, control: Measurement, passes: bool, alpha: float) -> bool:
    """Whether the claim's value lies clearly beyond the control's, the way the claim asks, at `alpha`.

    By the paired difference; against shuffles by their share that reaches it; for a claim with two ends by
    whether the control clearly misses them. Where nothing varies, by the control's value alone.
    """
    low, high = math.isfinite(expect.low), math.isfinite(expect.high)
    if low and high:
        p = p_meets(control, expect)[1] if not control.shuffles.size else math.nan
    elif control.shuffles.size:
        reach = control.shuffles >= own.value if low else control.shuffles <= own.value
        p = (1 + np.count_nonzero(reach)) / (1 + control.shuffles.size)
    else:
        apart = difference(own, control)
        kept = SKEWED_FREEDOM if own.correlates else 1.0
        p = math.nan if apart is None else apart.above(0.0, kept) if low else apart.below(0.0, kept)
    return not passes if math.isnan(p) else p < alpha


def finite(value: float) -> float | None:
    """The value as JSON has it: null where it is not finite."""
    return float(value) if np.isfinite(value) else None


def ends(found: Measurement) -> Interval | None:
    """The interval as JSON has it: null where there is none."""
    low, high = (finite(end) for end in found.interval)
    return None if low is None and high is None else (low, high)
