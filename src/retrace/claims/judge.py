"""Verdicts: holds each claim's measurement against its expectation, its control and the paper's other claims.

A claim is supported when the hypothesis "does not meet `expect`" is rejected at 5 %, refuted when "meets it" is,
both after Holm's correction over the paper's tested claims, and inconclusive otherwise.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from retrace.claims.measure import Measurement, measure
from retrace.claims.model import Claim, Evidence, Expect, Variation
from retrace.claims.sample import NoEvidence, check_rows
from retrace.claims.words import expectation, number
from retrace.stats.bootstrap import achieved_significance
from retrace.stats.power import seeds_to_decide
from retrace.stats.tests import holm, mean_above, mean_below, tost

ALPHA = 0.05
MAX_UNDEFINED = 0.2  # share of groups, or of resamples, that may lack an outcome
REPLICATES = 4000
LEVEL = 0.95


@dataclass
class _Trial:
    """A claim on its way to a verdict."""

    claim: Claim
    found: Measurement | None = None
    p: float | None = None
    p_against: float | None = None
    verdict: str = "not run"
    reason: str = ""
    seeds_to_decide: int | None = None
    control: dict[str, Any] | None = None
    baselines: list[dict[str, Any]] = field(default_factory=list)
    also: list[dict[str, Any]] = field(default_factory=list)


def judge(
    claims: Sequence[Claim],
    table: pd.DataFrame,
    seed: int,
    estimated_columns: Collection[str] = (),
    replicates: int = REPLICATES,
) -> list[dict[str, Any]]:
    """One verdict record per claim, in the claims' order.

    `table` has one row per seed, cell and condition; `seed` fixes the resamples. `estimated_columns` are
    energies that no hardware counter measured: a claim that rests on one is inconclusive at best.
    Raises RetraceError for a table with ambiguous rows; anything else becomes a verdict with a reason.
    """
    if len(table):
        check_rows(table)
    trials = [_try(claim, table, seed, replicates) for claim in claims]
    tested = [t for t in trials if t.p is not None and t.p_against is not None]
    adjusted = holm([t.p for t in tested if t.p is not None])
    against = holm([t.p_against for t in tested if t.p_against is not None])
    corrected = {t.claim.id: pair for t, *pair in zip(tested, adjusted, against, strict=True)}
    for trial in tested:
        _decide(trial, *corrected[trial.claim.id], tests=len(tested))
        _cap(trial, estimated_columns)
    return [_record(trial, corrected.get(trial.claim.id, [None, None])) for trial in trials]


def _try(claim: Claim, table: pd.DataFrame, seed: int, replicates: int) -> _Trial:
    trial = _Trial(claim)
    if claim.testable or claim.evidence is None or claim.expect is None:
        trial.verdict = "not testable here"
        trial.reason = claim.testable.not_here if claim.testable else ""
        return trial
    entropy = (seed, zlib.crc32(claim.id.encode()))

    def run(evidence: Evidence) -> Measurement:
        if table.empty:
            raise NoEvidence("no evidence yet")
        return measure(evidence, table, entropy, replicates, LEVEL)

    def beside(change: Variation, evidence: Evidence) -> tuple[dict[str, Any], Measurement | None]:
        try:
            found = run(evidence.varied(change))
        except NoEvidence as missing:
            return {"label": change.label, "measured": None, "interval": None, "reason": str(missing)}, None
        return {"label": change.label, "measured": _json(found.value), "interval": _ends(found)}, found

    try:
        found = trial.found = run(claim.evidence)
    except NoEvidence as missing:
        trial.reason = str(missing)
        return trial
    for place, change in claim.variations():
        record, other = beside(change, claim.evidence)
        if place == "control":
            trial.control = {**record, "passes": _passes(other, claim.expect)}
        elif place.startswith("baselines"):
            trial.baselines.append(record)
        else:
            trial.also.append(record)
    trial.verdict, trial.reason = "inconclusive", _unfit(found)
    if not trial.reason:
        trial.p, trial.p_against = _significance(found, claim.expect)
    return trial


def _passes(control: Measurement | None, expect: Expect) -> bool | None:
    """Whether a control meets the expectation: by its value, or in more than 5 % of its shuffles."""
    if control is None or not math.isfinite(control.value):
        return None
    if control.shuffled:
        return bool(np.mean(expect.meets(control.resamples)) > ALPHA)
    return bool(expect.meets(control.value))


def _unfit(found: Measurement) -> str:
    """Why a measurement cannot be tested; empty if it can."""
    if len(found.undefined) == found.blocks or found.share_undefined > MAX_UNDEFINED:
        return (
            f"the statistic is undefined in {len(found.undefined)} of {found.blocks} groups "
            f"and {100 * found.share_undefined:.0f} % of resamples at worst (a column is constant or not finite"
            + (f"; first: {found.undefined[0]})" if found.undefined else ")")
        )
    if np.count_nonzero(np.isfinite(found.per_seed)) < 2:
        return f"{len(found.seeds)} seed: at least 2 are needed for an interval"
    return ""


def _significance(found: Measurement, expect: Expect) -> tuple[float, float]:
    """P values of "does not meet `expect`" and of "meets it"."""
    ends = [math.isfinite(end) for end in (expect.low, expect.high)]
    if found.resamples.size:
        drawn = found.resamples[np.isfinite(found.resamples)]
        sides = [
            side
            for side, on in zip((expect.meets_low(drawn), expect.meets_high(drawn)), ends, strict=True)
            if on
        ]
        p, against = max(map(achieved_significance, sides)), [achieved_significance(~side) for side in sides]
    else:
        drawn = found.per_seed[np.isfinite(found.per_seed)]
        p = tost(drawn, expect.low, expect.high)
        tests = ((mean_below, expect.low), (mean_above, expect.high))
        against = [test(drawn, end) for (test, end), on in zip(tests, ends, strict=True) if on]
    return p, min(1.0, min(against) * len(against))


def _decide(trial: _Trial, p_holm: float, against_holm: float, tests: int) -> None:
    claim, found = trial.claim, trial.found
    assert found and claim.expect and trial.p is not None and trial.p_against is not None
    wanted = expectation(claim.expect)
    value = f"{number(found.value)}, interval {number(found.interval[0])} to {number(found.interval[1])}"
    if p_holm < ALPHA:
        trial.verdict, trial.reason = "supported", f"{value}: {wanted}"
    elif against_holm < ALPHA:
        trial.verdict, trial.reason = "refuted", f"{value}: not {wanted}"
    else:
        alone = min(trial.p, trial.p_against) < ALPHA
        short = (
            f"clear alone, but not among {tests} claims" if alone else f"not clearly {wanted} or otherwise"
        )
        trial.seeds_to_decide = _more_seeds(found, claim.expect, ALPHA / tests)
        trial.reason = f"{value}: {short}; {_advice(trial.seeds_to_decide, found)}"
    if found.undefined:
        trial.reason += f"; {len(found.undefined)} of {found.blocks} groups left out (undefined)"


def _more_seeds(found: Measurement, expect: Expect, alpha: float) -> int | None:
    per_seed = found.per_seed[np.isfinite(found.per_seed)]
    gap = min(abs(found.value - end) for end in (expect.low, expect.high))
    seed_sd = float(per_seed.std(ddof=1))
    drawn = found.resamples[np.isfinite(found.resamples)]
    beyond = float(drawn.var()) - seed_sd**2 / per_seed.size if drawn.size else 0.0
    return seeds_to_decide(gap, seed_sd, math.sqrt(max(beyond, 0.0)), alpha)


def _advice(seeds: int | None, found: Measurement) -> str:
    if seeds is None:
        return "more seeds alone would not decide it"
    return f"about {max(seeds, len(found.seeds) + 1)} seeds would decide it"


def _cap(trial: _Trial, estimated_columns: Collection[str]) -> None:
    """Withhold a verdict that rests on estimated energy, or support that the control would get too."""
    evidence, control = trial.claim.evidence, trial.control
    estimated = sorted(evidence.columns() & set(estimated_columns)) if evidence else []
    if estimated and trial.verdict != "inconclusive":
        trial.reason = (
            f"{', '.join(estimated)} is time times an assumed power (no hardware counter); "
            f"as estimated it would be {trial.verdict}: {trial.reason}"
        )
        trial.verdict = "inconclusive"
    elif trial.verdict == "supported" and control and control["passes"] is not False:
        says = "meets the expectation too" if control["passes"] else "could not be measured"
        trial.verdict, trial.reason = (
            "inconclusive",
            f"the control ({control['label']}) {says}; {trial.reason}",
        )


def _record(trial: _Trial, corrected: Sequence[float | None]) -> dict[str, Any]:
    claim, found = trial.claim, trial.found
    seeds = trial.seeds_to_decide
    return {
        "id": claim.id,
        "says": claim.says,
        "where": claim.where,
        "origin": claim.origin,
        "kind": claim.kind,
        "expect": claim.expect.model_dump(exclude_none=True) if claim.expect else {},
        "published": claim.published.model_dump() if claim.published else None,
        "statistic": claim.evidence.statistic if claim.evidence else None,
        "measured": _json(found.value) if found else None,
        "interval": _ends(found) if found else None,
        "level": LEVEL,
        "seeds": len(found.seeds) if found else 0,
        "units": found.units if found else 0,
        "p": trial.p,
        "p_holm": corrected[0],
        "p_against": trial.p_against,
        "p_against_holm": corrected[1],
        "verdict": trial.verdict,
        "reason": trial.reason,
        "seeds_to_decide": max(seeds, len(found.seeds) + 1) if seeds and found else None,
        "scope": claim.scope,
        "control": trial.control,
        "baselines": trial.baselines,
        "also": trial.also,
    }


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _ends(found: Measurement) -> list[float | None] | None:
    low, high = (_json(float(end)) for end in found.interval)
    return None if low is None and high is None else [low, high]
