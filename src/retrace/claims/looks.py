"""Looks: the numbers of seeds at which a claim may be tested, fixed before any of them is reached.

Seeds may be added where they decide most (`retrace decide`), because a claim is tested at these numbers only,
always on its first seeds, and each look has an equal share of the level. The chance that any look errs is
then at most the level, whatever made one stop or go on (Bonferroni; for shares that differ, Maurer and Bretz,
Statistics in Biopharmaceutical Research 5, 2013).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

LADDER = (8, 12, 17, 24)
MOST_SEEDS = LADDER[-1]  # beyond which nobody goes
FUTILE = 0.05  # chance of a decision below which more seeds are not worth their price


def planned(first: int) -> tuple[int, ...]:
    """The looks of a study whose sheet has `first` seeds: these, then the ladder's larger numbers."""
    return (first, *(seeds for seeds in LADDER if seeds > first))


@dataclass(frozen=True)
class Looks:
    """The numbers of seeds that are planned, rising, and how many seeds each cell of the table has.

    Without a plan there is one look, at whatever seeds there are.
    """

    plan: tuple[int, ...] = ()
    seeds: Mapping[str, int] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """How many looks share the level."""
        return max(len(self.plan), 1)

    def reached(self, patterns: Sequence[str]) -> tuple[int, ...]:
        """The looks that all cells of these patterns have reached; the first in any case."""
        cells = [n for cell, n in self.seeds.items() if any(fnmatchcase(cell, p) for p in patterns)]
        least = min(cells, default=0)
        return tuple(n for n in self.plan if n <= least) or self.plan[:1]
