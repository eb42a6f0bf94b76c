"""Verdict records: every claim of a paper measured, tested, corrected for the others, and put in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

import pandas as pd

from retrace.claims.model import Claim, Statement
from retrace.claims.record import ClaimVerdict
from retrace.claims.sample import ordered
from retrace.claims.trial import LEVEL, Trial, ends, finite, run_trial
from retrace.claims.verdict import Verdict, cap, decide, significance, unfit
from retrace.stats.tests import holm

REPLICATES = 4000
Pair = tuple[float, float]


def judge(
    claims: Sequence[Claim],
    table: pd.DataFrame,
    seed: int,
    estimated_columns: Collection[str] = (),
    replicates: int = REPLICATES,
) -> list[ClaimVerdict]:
    """One verdict record per claim of a paper, in the claims' order.

    `table` has one row per seed, cell and condition; `seed` fixes the resamples. `estimated_columns` are
    energies that no hardware counter measured: a claim that rests on one is at best inconclusive.
    Raises RetraceError for a table with ambiguous rows; whatever else is wrong becomes a reason.
    """
    rows = ordered(table)
    trials = [run_trial(claim, rows, seed, replicates) for claim in claims]
    raw = {trial.claim.id: p for trial in trials if (p := _test(trial))}
    for_it, against_it = (holm([p[side] for p in raw.values()]) for side in (0, 1))
    corrected = dict(zip(raw, zip(for_it, against_it, strict=True), strict=True))
    return [_record(trial, rows, raw.get(trial.claim.id), corrected, estimated_columns) for trial in trials]


def _test(trial: Trial) -> Pair | None:
    if trial.found is None or trial.claim.expect is None or trial.closed or unfit(trial.found):
        return None
    return significance(trial.found, trial.claim.expect)


def _verdict(trial: Trial, p: Pair | None, corrected: dict[str, Pair], estimated: Collection[str]) -> Verdict:
    claim, found = trial.claim, trial.found
    if found is None:
        return Verdict("not testable here" if claim.testable else "not run", trial.missing)
    if trial.closed:
        return Verdict("not testable here", trial.closed)
    if p is None or claim.expect is None:
        return Verdict("inconclusive", unfit(found))
    return cap(decide(found, claim.expect, p, corrected[claim.id], len(corrected)), trial, estimated)


def _record(
    trial: Trial, table: pd.DataFrame, p: Pair | None, corrected: dict[str, Pair], estimated: Collection[str]
) -> ClaimVerdict:
    claim, found = trial.claim, trial.found
    verdict = _verdict(trial, p, corrected, estimated)
    p_holm = corrected.get(claim.id)
    return ClaimVerdict(
        **claim.model_dump(include=set(Statement.model_fields)),
        expect=claim.expect,
        published=claim.published,
        statistic=claim.evidence.statistic if claim.evidence else None,
        measured=finite(found.value) if found else None,
        interval=ends(found) if found else None,
        level=LEVEL,
        seeds=len(found.seeds) if found else 0,
        units=found.units if found else 0,
        p=p[0] if p else None,
        p_holm=p_holm[0] if p_holm else None,
        p_against=p[1] if p else None,
        p_against_holm=p_holm[1] if p_holm else None,
        verdict=verdict.word,
        reason=verdict.reason,
        seeds_to_decide=verdict.seeds_to_decide,
        control=trial.control,
        baselines=trial.baselines,
        also=trial.also,
        censored=_censored(table, claim.evidence.cells if claim.evidence else []),
    )


def _censored(table: pd.DataFrame, patterns: list[str]) -> tuple[int, int] | None:
    """How many rows of the matching cells are censored, and of how many; None where none can be."""
    if "censored" not in table.columns:
        return None
    inside = [any(fnmatchcase(cell, pattern) for pattern in patterns) for cell in table["cell"]]
    return int(table["censored"][inside].sum()), sum(inside)
