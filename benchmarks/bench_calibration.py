"""How often verdicts err where the truth is known: tables are drawn, tested as `judge()` does, and counted.

python benchmarks/bench_calibration.py [--draws 4000] [--seeds 2 3 5 8 24] [--only mean]

A line a kind of claim and number of seeds, in 100 draws: wrong support and wrong refutation (the true value
exactly at the threshold) at 5 % and at 0.5 %, how often the interval holds the truth, and support at 5 %
and at 0.5 % where the truth is `far` beyond the threshold. At most 6 (7 for correlations) and 0.8 should be
wrong. Draws are laid out in bulk; tests/unit/test_calibration.py holds them against `judge()`.
"""

from __future__ import annotations

import argparse
import sys
import zlib

import numpy as np
from calibration_cases import Case, Columns, cases

from retrace.claims.expect import Expect
from retrace.claims.measure import Measurement, measured, p_meets, randomness
from retrace.claims.query import Evidence
from retrace.claims.statistics import STATISTICS
from retrace.claims.strata import Layout, Part
from retrace.claims.trial import LEVEL
from retrace.stats.correlation import Array
from retrace.stats.crossed import Stratum

BATCH = 500  # draws that are in memory together


def measurements(case: Case, columns: Columns) -> list[Measurement]:
    """What `measure` makes of each draw's table; columns (draws, seeds, groups, rows)."""
    evidence = case.claim.evidence
    assert evidence is not None
    sides = [side for side in (evidence, evidence.other_side()) if side]
    values = [[columns[name] for name in side.of] for side in sides]
    outcomes = [_outcome(side, of) for side, of in zip(sides, values, strict=True)]
    random = randomness(evidence, case.rows)
    rows = [_rows(side, of) for side, of in zip(sides, values, strict=True)] if random == "items" else []
    draws = len(outcomes[0])
    return [
        measured(evidence, _layout(case, [o[i] for o in outcomes], [r[i] for r in rows]), random, LEVEL)
        for i in range(draws)
    ]


def _outcome(side: Evidence, of: list[Array]) -> Array:
    """The statistic of each seed and group."""
    return STATISTICS[side.statistic].function(*of, weights=np.ones(of[0].shape[-1]))


def _rows(side: Evidence, of: list[Array]) -> Array:
    """What each row adds: itself, or its jackknife pseudo-value."""
    if side.statistic == "mean":
        return of[0]
    n = of[0].shape[-1]
    left_out = STATISTICS[side.statistic].function(*(c[..., None, :] for c in of), weights=1.0 - np.eye(n))
    return np.asarray(_outcome(side, of)[..., None] + (n - 1) * (left_out.mean(-1, keepdims=True) - left_out))


def _layout(case: Case, outcomes: list[Array], rows: list[Array]) -> Layout:
    """One draw's strata: groups as they are, groups as a sample, or a group's items."""
    point = outcomes[0] - outcomes[1] if len(outcomes) == 2 else outcomes[0]
    seeds, groups = point.shape
    names = [(f"c{g}",) for g in range(groups)]
    if rows:
        per_row = rows[0] - rows[1] if len(rows) == 2 else rows[0]
        units = [tuple((*name, f"i{r}") for r in range(per_row.shape[-1])) for name in names]
        parts = [Part(Stratum(per_row[:, g], 1 / groups), units[g]) for g in range(groups)]
    elif case.claim.evidence and case.claim.evidence.random == "groups":
        parts = [Part(Stratum(point), tuple(names))]
    else:
        parts = [Part(Stratum(point[:, [g]], 1 / groups), (names[g],)) for g in range(groups)]
    shares = [side.reshape(seeds, -1) for side in rows] if case.yes_or_no else []
    return Layout([*range(seeds)], names, point, parts, shares, [], int(np.isfinite(point).sum()))


def count(case: Case, seeds: int, draws: int) -> Array:
    """Support at 5 % and 0.5 %, refutation at both, coverage, support at both far away: in 100 draws."""
    rng = np.random.default_rng((zlib.crc32(case.name.encode()), seeds))
    expect, counts = case.claim.expect, np.zeros(7)
    assert expect is not None
    near = Expect.model_validate(
        expect.model_dump(exclude_none=True) | {"at_least": case.at - case.far(seeds)}
    )
    for start in range(0, draws, BATCH):
        for found in measurements(case, case.draw(rng, min(BATCH, draws - start), seeds)):
            p = [*p_meets(found, expect), p_meets(found, near)[0]]
            low, high = found.interval
            below = [value < level for value in p for level in (0.05, 0.005)]
            counts += [*below[:4], not (case.at < low or case.at > high), *below[4:]]
    return 100 * counts / draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 5, 8, 24])
    parser.add_argument("--only", default="", help="cases whose name begins so")
    given = parser.parse_args()
    print(f"{'case':44s} seeds  support 5 %, 0.5 %; refute 5 %, 0.5 %; covered; found far away 5 %, 0.5 %")
    for case in cases(given.only):
        for seeds in given.seeds:
            shown = "  ".join(f"{share:5.1f}" for share in count(case, seeds, given.draws))
            print(f"{case.name:44s} {seeds:3d}  {shown}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
