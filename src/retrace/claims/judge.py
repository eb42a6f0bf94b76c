"""Verdict records: every claim of a paper measured, tested, corrected for the others, and put in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType

import pandas as pd

from retrace.claims.families import adjusted
from retrace.claims.looks import Looks
from retrace.claims.measure import measure, p_meets
from retrace.claims.model import Claim, Statement
from retrace.claims.record import ClaimVerdict, Tested
from retrace.claims.sample import NoEvidence, ordered
from retrace.claims.strata import Random
from retrace.claims.trial import ALPHA, LEVEL, Trial, ends, finite, run_trial
from retrace.claims.verdict import Verdict, counted, decide, unfit

ONE_LOOK = Looks()


@dataclass(frozen=True)
class Judged:
    """A claim's trial and verdict; `test` and the level `alpha` of one look at it where there was a test."""

    trial: Trial
    verdict: Verdict
    test: Tested | None = None
    alpha: float | None = None


def judge(
    claims: Sequence[Claim],
    table: pd.DataFrame,
    rows: Random = "seeds",
    untested: Mapping[str, str] = MappingProxyType({}),
    looks: Looks = ONE_LOOK,
) -> list[ClaimVerdict]:
    """One verdict record per claim of a paper, in the claims' order.

    `table` has one row per seed, cell and condition; `rows` says what its rows are: a sample of items that
    seeds share, or not. `untested` says of columns why a claim that rests on them is not measurable. With
    `looks` a claim rests on its first seeds, as many as its last look has. Raises RetraceError for a table
    with ambiguous rows; whatever else is wrong becomes a reason.
    """
    ready = ordered(table)
    made = verdicts(claims, ready, rows, untested, looks)
    return [_record(each, _first(ready, each.trial.claim, looks)[-1]) for each in made]


def verdicts(
    claims: Sequence[Claim],
    ready: pd.DataFrame,
    rows: Random,
    untested: Mapping[str, str],
    looks: Looks,
) -> list[Judged]:
    """As `judge`, on an `ordered` table, with all that was measured."""
    trials = [run_trial(claim, _first(ready, claim, looks)[-1], rows, looks.number) for claim in claims]
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
        alpha, estimate = ALPHA * share / looks.number, trial.found.estimate
        test = Tested(
            p=own[0],
            p_against=own[1],
            adjusted=after,
            df=finite(estimate.df),
            se=finite(estimate.se),
            look=len(_first(ready, trial.claim, looks)),
            looks=looks.number,
        )
        done[trial.claim.id] = Judged(trial, decide(trial, pair, after, alpha), test, alpha)
    return [done[claim.id] for claim in claims]


def _first(ready: pd.DataFrame, claim: Claim, looks: Looks) -> list[pd.DataFrame]:
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
    for table in _first(ready, trial.claim, looks)[:-1]:
        try:
            assert trial.claim.evidence is not None
            assert trial.claim.expect is not None
            pairs.append(p_meets(measure(trial.claim.evidence, table, rows, LEVEL), trial.claim.expect))
        except NoEvidence:
            continue
    meets, misses = (min(p for p in side if not math.isnan(p)) for side in zip(*pairs, strict=True))
    return min(1.0, looks.number * meets), min(1.0, looks.number * misses)


def _record(judged: Judged, table: pd.DataFrame) -> ClaimVerdict:
    claim, found, verdict = judged.trial.claim, judged.trial.found, judged.verdict
    return ClaimVerdict(
        **claim.model_dump(include=set(Statement.model_fields)),
        expect=claim.expect,
        published=claim.published,
        statistic=claim.evidence.statistic if claim.evidence else None,
        measured=finite(found.value) if found else None,
        interval=ends(found) if found else None,
        level=LEVEL,
        random=found.random if found else None,
        seeds=len(found.seeds) if found else 0,
        units=found.layout.units if found else 0,
        test=judged.test,
        verdict=verdict.code,
        reason=verdict.reason,
        seeds_to_decide=verdict.seeds_to_decide,
        control=judged.trial.control,
        baselines=judged.trial.baselines,
        also=judged.trial.also,
        censored=_censored(table, claim.evidence.cells if claim.evidence else []),
    )


def _censored(table: pd.DataFrame, patterns: list[str]) -> tuple[int, int] | None:
    """How many rows of the matching cells are censored, and of how many; None where none can be."""
    if "censored" not in table.columns:
        return None
    inside = [any(fnmatchcase(cell, pattern) for pattern in patterns) for cell in table["cell"]]
    return int(table["censored"][inside].sum()), sum(inside)
