"""Verdicts of two machines side by side, and how far a seed moves between them beside how far seeds move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from retrace.claims.record import ClaimVerdict, PaperVerdict
from retrace.claims.sealed import read_verdict
from retrace.claims.words import WORDS
from retrace.errors import RetraceError


@dataclass(frozen=True)
class Pair:
    """A claim as both machines judged it, from as many seeds."""

    paper: str
    here: ClaimVerdict
    there: ClaimVerdict

    @property
    def moved(self) -> float | None:
        """How far the value moved, in units of what other seeds would move it; None where that is unknown.

        The difference of two means over independent seeds has sqrt(2) times the standard error of one.
        """
        se = self.here.test.se if self.here.test else None
        if not se or self.here.measured is None or self.there.measured is None:
            return None
        return abs(self.there.measured - self.here.measured) / (math.sqrt(2) * se)


def paired(here: Path, there: Path) -> list[Pair]:
    """The claims that two folders of verdict files (`results/SCALE/verdicts`) both judge, by paper.

    RetraceError where there is nothing to compare, or a paper has other seeds there: then its values differ
    for another reason than the machine.
    """
    pairs = []
    for path in sorted(here.glob("*.json")):
        if not (there / path.name).is_file():
            continue
        own, other = read_verdict(path), read_verdict(there / path.name)
        pairs += _of_paper(own, other, there / path.name)
    if not pairs:
        raise RetraceError(
            f"nothing to compare: {here} and {there} hold no verdicts of the same paper; give the other "
            "checkout's results/SCALE/verdicts"
        )
    return pairs


def _of_paper(own: PaperVerdict, other: PaperVerdict, place: Path) -> list[Pair]:
    known = {claim.id: claim for claim in other.claims}
    for claim in own.claims:
        if claim.id in known and known[claim.id].seeds != claim.seeds:
            raise RetraceError(
                f"{place}: claim {claim.id!r} rests on {known[claim.id].seeds} seeds there and "
                f"{claim.seeds} here; run both with the same seeds"
            )
    return [Pair(own.paper, claim, known[claim.id]) for claim in own.claims if claim.id in known]


def told(pairs: Sequence[Pair]) -> str:
    """Every verdict that differs, then how many do, and how far values moved."""
    changed = [pair for pair in pairs if pair.here.verdict != pair.there.verdict]
    lines = [
        f"{pair.paper} {pair.here.id}: {WORDS[pair.here.verdict]} here, {WORDS[pair.there.verdict]} there"
        for pair in changed
    ]
    lines.append(f"{len(changed)} of {len(pairs)} verdicts differ")
    moved = [pair.moved for pair in pairs if pair.moved is not None]
    if moved:
        lines.append(
            f"values moved by {median(moved):.2g} (median; most {max(moved):.2g}) of what other seeds would "
            "move them: 0, the machine does not matter; 0.7, a seed there is another seed"
        )
    return "\n".join(lines)
