"""How often added seeds support what is not so: looks as `judge()` takes them, against none that are counted.

python benchmarks/bench_looks.py [--draws 2000] [--first 3 8]

The true value is exactly at the threshold; seeds are added until a look decides or the last look is there
(the worst that a choice by outcome can do). A line a kind of claim: in 100 draws wrong support and wrong
refutation with planned looks, wrong support without a correction for looks, and at two effects (in standard
deviations between seeds) how many are decided, with the mean number of seeds. At most 5 should be wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from calibration_cases import Case, claim, crossed

from retrace.claims.judge import judge
from retrace.claims.looks import Looks, planned
from retrace.claims.strata import Random

EFFECTS = (1.0, 2.0)


def cases() -> Iterator[Case]:
    """Means of a grid and of items, where seeds vary most and where items do."""
    above = claim("mean", ["x"], {"at_least": 0.0})
    for noise, sds in (
        ("seeds alone", (1.0, 0.0, 0.3)),
        ("seeds most", (1.0, 0.5, 0.5)),
        ("items most", (0.1, 1.0, 1.0)),
    ):
        rows: Random = "seeds" if noise == "seeds alone" else "items"
        draw, far = crossed(1, 16, *sds)
        yield Case(f"mean, 16 {rows}, {noise}", above, rows, draw, 0.0, far)


@dataclass
class Count:
    """What came of draws at one true value."""

    supported: int = 0
    refuted: int = 0
    uncorrected: int = 0
    seeds: int = 0

    def add(self, case: Case, rng: np.random.Generator, plan: tuple[int, ...], more: float) -> None:
        """Draw the seeds of the last look, `more` above the threshold, and look until one decides."""
        frame = case.table(rng, plan[-1], more)
        open_still, least = True, 1.0
        for seeds in plan:
            looks = Looks(plan, {"c0": seeds})
            verdict = judge([case.claim], frame, case.rows, looks=looks)[0]
            least = min(least, verdict.test.p if verdict.test else 1.0)
            if open_still and verdict.verdict != "open":
                open_still = False
                self.supported += verdict.verdict in ("supported", "not-specific")
                self.refuted += verdict.verdict in ("refuted", "margin")
                self.seeds += seeds
        self.seeds += plan[-1] * open_still
        self.uncorrected += least < 0.05


def line(case: Case, first: int, draws: int) -> str:
    """The counts of one case whose first look is at `first` seeds, in 100 draws."""
    plan = planned(first)
    at, far = Count(), [Count() for _ in EFFECTS]
    for number in range(draws):
        at.add(case, np.random.default_rng((number, first)), plan, 0.0)
        if number % 4 == 0:
            for place, (count, size) in enumerate(zip(far, EFFECTS, strict=True)):
                count.add(case, np.random.default_rng((number, first, place)), plan, size)
    found = [at.supported, at.refuted, at.uncorrected]
    few = len(range(0, draws, 4))
    shown = [f"{100 * n / draws:5.1f}" for n in found]
    shown += [f"{100 * count.supported / few:5.0f} ({count.seeds / few:4.1f})" for count in far]
    return f"{case.name:30s} {first:3d}  {'  '.join(shown)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--first", type=int, nargs="+", default=[3, 8])
    given = parser.parse_args()
    effects = ", ".join(f"found at {size:g} sd (mean seeds)" for size in EFFECTS)
    print(f"{'case':30s} first  support, refute, support without correction; {effects}")
    for case in cases():
        for first in given.first:
            print(line(case, first, given.draws), flush=True)


if __name__ == "__main__":
    sys.exit(main())
