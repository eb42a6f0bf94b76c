"""Measures a claim, its control, its baselines and its companion statistics on the table of evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from retrace.claims.expect import Expect
from retrace.claims.measure import Measurement, measure
from retrace.claims.model import Claim
from retrace.claims.query import Variation
from retrace.claims.sample import NoEvidence
from retrace.seeds import derive

LEVEL = 0.95


@dataclass(frozen=True)
class Trial:
    """A claim with what was found for it; without `found`, `missing` says why there is nothing."""

    claim: Claim
    found: Measurement | None = None
    missing: str = ""
    control: dict[str, Any] | None = None
    baselines: list[dict[str, Any]] = field(default_factory=list)
    also: list[dict[str, Any]] = field(default_factory=list)


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

    def beside(change: Variation) -> dict[str, Any]:
        try:
            found = measure(evidence.varied(change), table, stream, replicates, LEVEL)
        except NoEvidence as missing:
            nothing = {"label": change.label, "measured": None, "interval": None, "reason": str(missing)}
            return nothing | ({"passes": None} if change is claim.control else {})
        record = {"label": change.label, "measured": finite(found.value), "interval": ends(found)}
        return record | ({"passes": passes(found, expect)} if change is claim.control else {})

    try:
        found = measure(evidence, table, stream, replicates, LEVEL)
    except NoEvidence as missing:
        return Trial(claim, missing=str(missing))
    return Trial(
        claim,
        found,
        control=beside(claim.control) if claim.control else None,
        baselines=[beside(baseline) for baseline in claim.baselines],
        also=[beside(companion) for companion in claim.companions()],
    )


def passes(control: Measurement, expect: Expect) -> bool | None:
    """Whether a control's value (of a shuffled one: the mean over shuffles) meets the expectation.

    None where it has no finite value.
    """
    return bool(expect.meets(control.value)) if np.isfinite(control.value) else None


def finite(value: float) -> float | None:
    """The value as JSON has it: null where it is not finite."""
    return float(value) if np.isfinite(value) else None


def ends(found: Measurement) -> list[float | None] | None:
    """The interval as JSON has it: null where there is none."""
    low, high = (finite(end) for end in found.interval)
    return None if low is None and high is None else [low, high]
