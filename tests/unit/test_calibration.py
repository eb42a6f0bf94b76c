"""The judge errs as often as it says: tables whose truth lies exactly at the threshold, judged and counted.

benchmarks/bench_calibration.py draws more of them, of more kinds (table in docs/verdicts.md).
"""

import numpy as np
import pytest
from bench_calibration import cases

from retrace.claims.judge import judge

DRAWS = 150
CASES = {case.name: case for case in cases(tuned=("spearman, 2 x 15 grid",))}
CHOSEN = [
    "mean, 1 x 1 seeds, seeds",
    "mean, 6 x 5 items, seeds",
    "mean, 1 x 32 items, rows",
    "mean, 3 x 10 items, all alike",
    "mean, 4 x 8 grid, seeds alone random",
    "share 0.9, 24 items",
    "spearman, 2 x 15 grid",
]


@pytest.mark.parametrize("seeds", [3, 8])
@pytest.mark.parametrize("name", CHOSEN)
def test_wrong_verdicts_are_as_rare_as_the_level_says(name, seeds):
    case = CASES[name]
    above = below = 0
    for number in range(DRAWS):
        table = case.draw(np.random.default_rng((number, seeds, 7)), seeds, case.at)
        test = judge([case.claim], table, case.rows)[0].test
        above += test is not None and test.p < 0.05
        below += test is not None and test.p_against < 0.05
    allowed = 0.07 if name.startswith("spearman") else 0.06
    most = DRAWS * allowed + 2.6 * np.sqrt(DRAWS * allowed * (1 - allowed))
    assert max(above, below) <= most


@pytest.mark.parametrize("name", ["mean, 1 x 1 seeds, seeds", "mean, 1 x 32 items, rows"])
def test_what_is_there_is_found(name):
    case, found = CASES[name], 0
    for number in range(40):
        table = case.draw(np.random.default_rng((number, 8)), 8, case.at + case.effect(8))
        test = judge([case.claim], table, case.rows)[0].test
        found += test is not None and test.p < 0.05
    assert found >= 32
