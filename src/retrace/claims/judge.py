"""Verdict records: every claim of a paper measured, tested, corrected for the others, and put in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType

import pandas as pd

from retrace.claims.families import adjusted
from retrace.claims.measure import p_meets
from retrace.claims.model import Claim, Statement
from retrace.claims.record import ClaimVerdict, Tested
from retrace.claims.sample import ordered
from retrace.claims.strata import Random
from retrace.claims.trial import LEVEL, Trial, ends, finite, run_trial
from retrace.claims.verdict import ALPHA, Verdict, counted, decide, unfit


def judge(
    claims: Sequence[Claim],
    table: pd.DataFrame,
    rows: Random = "seeds",
    untested: Mapping[str, str] = MappingProxyType({}),
) -> list[ClaimVerdict]:
    """One verdict record per claim of a paper, in the claims' order.

    `table` has one row per seed, cell and condition; `rows` says what its rows are: a sample of items that
    seeds share, or not. `untested` says of columns why a claim that rests on them is not measurable. Raises
    RetraceError for a table with ambiguous rows; whatever else is wrong becomes a reason.
    """
    ready = ordered(table)
    trials = [run_trial(claim, ready, rows) for claim in claims]
    verdicts: dict[str, Verdict] = {}
    tests: dict[str, Tested] = {}
    for trial in trials:
        verdict = unfit(trial, untested)
        if verdict is None and trial.found is not None and trial.found.random == "nothing":
            verdict = counted(trial)
        if verdict is not None:
            verdicts[trial.claim.id] = verdict
    left = [trial for trial in trials if trial.claim.id not in verdicts]
    p = [p_meets(t.found, t.claim.expect) for t in left if t.found is not None and t.claim.expect is not None]
    corrected, shares = adjusted([trial.claim for trial in left], [min(pair) for pair in p])
    for trial, pair, after, share in zip(left, p, corrected, shares, strict=True):
        assert trial.found is not None
        verdicts[trial.claim.id] = decide(trial, pair, after, ALPHA * share)
        estimate = trial.found.estimate
        tests[trial.claim.id] = Tested(
            p=pair[0], p_against=pair[1], adjusted=after, df=finite(estimate.df), se=finite(estimate.se)
        )
    return [_record(trial, ready, verdicts[trial.claim.id], tests.get(trial.claim.id)) for trial in trials]


def _record(trial: Trial, table: pd.DataFrame, verdict: Verdict, test: Tested | None) -> ClaimVerdict:
    claim, found = trial.claim, trial.found
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
        test=test,
        verdict=verdict.code,
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
