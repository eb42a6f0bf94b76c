"""Verdict records: every claim of a paper measured, tested, corrected for the others, and put in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType

import pandas as pd

from retrace.claims.judged import Judged, first_seeds, verdicts
from retrace.claims.looks import MOST_SEEDS, Looks
from retrace.claims.model import Claim, Statement
from retrace.claims.outlook import outlook_of
from retrace.claims.record import ClaimVerdict, WouldDecide
from retrace.claims.sample import ordered
from retrace.claims.strata import Random
from retrace.claims.trial import LEVEL, ends, finite

ONE_LOOK = Looks()


def unpriced(claim: Claim) -> float | None:
    """The price of a seed where there are no meters."""
    return None


def judge(
    claims: Sequence[Claim],
    table: pd.DataFrame,
    rows: Random = "seeds",
    untested: Mapping[str, str] = MappingProxyType({}),
    looks: Looks = ONE_LOOK,
    price: Callable[[Claim], float | None] = unpriced,
) -> list[ClaimVerdict]:
    """One verdict record per claim of a paper, in the claims' order.

    `table` has one row per seed, cell and condition; `rows` says what its rows are: a sample of items that
    seeds share, or not. `untested` says of columns why a claim that rests on them is not measurable. With
    `looks` a claim rests on its first seeds, as many as its last look has. `price` is what a seed of its
    cells costs in CPU seconds. Raises RetraceError for a table with ambiguous rows; whatever else is wrong
    becomes a reason.
    """
    ready = ordered(table)
    made = verdicts(claims, ready, rows, untested, looks)
    return [_record(each, first_seeds(ready, each.trial.claim, looks)[-1], price) for each in made]


def _record(judged: Judged, table: pd.DataFrame, price: Callable[[Claim], float | None]) -> ClaimVerdict:
    claim, found, verdict = judged.trial.claim, judged.trial.found, judged.verdict
    would = _would_decide(judged, price) if verdict.code == "open" else None
    reason = f"{verdict.reason}; {would.words()}" if would else verdict.reason
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
        reason=reason,
        would_decide=would,
        control=judged.trial.control,
        baselines=judged.trial.baselines,
        also=judged.trial.also,
        censored=_censored(table, claim.evidence.cells if claim.evidence else []),
    )


def _would_decide(judged: Judged, price: Callable[[Claim], float | None]) -> WouldDecide | None:
    """What would decide an open claim; None where there was no test."""
    outlook = outlook_of(judged, judged.alpha) if judged.alpha else None
    if outlook is None:
        return None
    seeds, a_seed = outlook.seeds_needed, price(judged.trial.claim)
    seeds = None if seeds is None else max(seeds, outlook.seeds + 1)
    return WouldDecide(
        kind=outlook.random,
        seeds=seeds,
        cpu_seconds=None if seeds is None or a_seed is None else (seeds - outlook.seeds) * a_seed,
        have=outlook.seeds,
        units=outlook.units_needed,
        units_at_most=outlook.units_at_most,
        most=MOST_SEEDS,
        power=outlook.power(max(MOST_SEEDS, outlook.seeds)),
    )


def _censored(table: pd.DataFrame, patterns: list[str]) -> tuple[int, int] | None:
    """How many rows of the matching cells are censored, and of how many; None where none can be."""
    if "censored" not in table.columns:
        return None
    inside = [any(fnmatchcase(cell, pattern) for pattern in patterns) for cell in table["cell"]]
    return int(table["censored"][inside].sum()), sum(inside)
