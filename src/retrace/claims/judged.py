"""Trials of a paper's claims put together: tested at their looks, corrected for one another, decided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from retrace.claims.families import adjusted
from retrace.claims.looks import Looks
from retrace.claims.measure import measure, p_meets
from retrace.claims.model import Claim
from retrace.claims.record import Tested
from retrace.claims.sample import NoEvidence
from retrace.claims.strata import Random
from retrace.claims.trial import ALPHA, LEVEL, Trial, run_trial
from retrace.claims.verdict import Verdict, counted, decide, unfit


@dataclass(frozen=True)
class Judged:
    """A claim's trial and verdict; `test` and the level `alpha` of one look at it where there was a test."""

    trial: Trial
    verdict: Verdict
    test: Tested | None = None
    alpha: float | None = None


def verdicts(
    claims: Sequence[Claim],
    ready: pd.DataFrame,
    rows: Random,
    untested: Mapping[str, str],
    looks: Looks,
) -> list[Judged]:
    """As `judge`, on an `ordered` table, with all that was measured."""
    trials = [run_trial(claim, first_seeds(ready, claim, looks)[-1], rows, looks.number) for claim in claims]
    done: dict[str, Judged] = {}
    for trial in trials:
        verdict = unfit(trial, untested)
        if verdict is None and trial.found is not None and trial.found.random == "nothing":
            verdict = counted(trial)
        if verdict is not None:
            done[trial.claim.id] = Judged(trial, verdict)
    left = [trial for trial in trials if trial.claim.id not in done]
    at_look = [p_meets(t.found, t.claim.expect) for t in left if t.found and t.claim.expect]
    p = [_over_looks(t, pair, ready, rows, looks) for t, pair in zip(left, at_look, strict=True)]
    corrected, shares = adjusted([trial.claim for trial in left], [min(pair) for pair in p])
    for trial, own, pair, after, share in zip(left, at_look, p, corrected, shares, strict=True):
        assert trial.found is not None
        assert trial.claim.expect is not None
        alpha = ALPHA * share / looks.number
        nearest = trial.claim.expect.nearest(trial.found.value)
        pivot = trial.found.estimate.least_sure(trial.found.seen(nearest))
        test = Tested(
            p=own[0],
            p_against=own[1],
            adjusted=after,
            df=pivot and pivot.df,
            se=pivot.se if pivot else 0.0,
            look=len(first_seeds(ready, trial.claim, looks)),
            looks=looks.number,
        )
        done[trial.claim.id] = Judged(trial, decide(trial, pair, after, alpha), test, alpha)
    return [done[claim.id] for claim in claims]


def first_seeds(ready: pd.DataFrame, claim: Claim, looks: Looks) -> list[pd.DataFrame]:
    """The table as each look that the claim has reached finds it: its first seeds, nothing of later ones."""
    if not looks.plan or ready.empty:
        return [ready]
    patterns = claim.evidence.cells if claim.evidence else []
    return [ready[ready["seed"] < seeds] for seeds in looks.reached(patterns)]


def _over_looks(
    trial: Trial, last: tuple[float, float], ready: pd.DataFrame, rows: Random, looks: Looks
) -> tuple[float, float]:
    """The least p values of all looks so far, times the number of looks planned; nan is no look."""
    if looks.number == 1:
        return last
    pairs = [last]
    for table in first_seeds(ready, trial.claim, looks)[:-1]:
        try:
            assert trial.claim.evidence is not None
            assert trial.claim.expect is not None
            pairs.append(p_meets(measure(trial.claim.evidence, table, rows, LEVEL), trial.claim.expect))
        except NoEvidence:
            continue
    meets, misses = (min(p for p in side if not math.isnan(p)) for side in zip(*pairs, strict=True))
    return min(1.0, looks.number * meets), min(1.0, looks.number * misses)
