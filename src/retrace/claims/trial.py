"""Measures a claim, its control, its baselines and its companion statistics on the table of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from retrace.claims.expect import Expect, number
from retrace.claims.measure import Measurement, measure
from retrace.claims.model import Claim, Gate
from retrace.claims.query import Evidence, Variation
from retrace.claims.record import Beside, Control, Interval
from retrace.claims.sample import NoEvidence
from retrace.seeds import derive

LEVEL = 0.95


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


def run_trial(claim: Claim, table: pd.DataFrame, seed: int, replicates: int) -> Trial:
    """Measure all that a claim asks for in an `ordered` table, on the same resamples.

    `seed` and the claim's id fix those resamples, whatever other claims there are.
    """
    evidence, expect = claim.evidence, claim.expect
    if claim.testable or evidence is None or expect is None:
        return Trial(claim, missing=claim.testable.not_here if claim.testable else "")
    if table.empty:
        return Trial(claim, missing="no evidence yet")
    stream = derive(seed, "resamples", claim.id)

    def beside(change: Variation) -> Beside:
        try:
            found = measure(evidence.varied(change), table, stream, replicates, LEVEL)
        except NoEvidence as missing:
            return Beside(label=change.label, reason=str(missing))
        return Beside(label=change.label, measured=finite(found.value), interval=ends(found))

    try:
        found = measure(evidence, table, stream, replicates, LEVEL)
    except NoEvidence as missing:
        return Trial(claim, missing=str(missing))
    return Trial(
        claim,
        found,
        control=_held_against(expect, beside(claim.control)) if claim.control else None,
        baselines=[beside(baseline) for baseline in claim.baselines],
        also=[beside(companion) for companion in claim.companions()],
        closed=_closed(claim.gate, evidence.one_side(), table, stream),
    )


def _closed(gates: Sequence[Gate], side: Evidence, table: pd.DataFrame, stream: int) -> str:
    """The first gate that does not hold, with its value over all seeds; empty where all hold."""
    for gate in gates:
        try:
            value = measure(side.varied(gate), table, stream, 1, LEVEL).value
        except NoEvidence as missing:
            return f"{gate.label}: {missing}"
        if not gate.expect.meets(value):
            return f"{gate.label}: {number(value)}, not {gate.expect.words()}"
    return ""


def _held_against(expect: Expect, found: Beside) -> Control:
    """The control, and whether its value (of a shuffled one: the mean over shuffles) meets `expect`."""
    passes = None if found.measured is None else bool(expect.meets(found.measured))
    return Control(**dict(found), passes=passes)


def finite(value: float) -> float | None:
    """The value as JSON has it: null where it is not finite."""
    return float(value) if np.isfinite(value) else None


def ends(found: Measurement) -> Interval | None:
    """The interval as JSON has it: null where there is none."""
    low, high = (finite(end) for end in found.interval)
    return None if low is None and high is None else (low, high)
