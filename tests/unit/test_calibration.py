"""The judge errs as often as it says: tables whose truth lies exactly at the threshold, judged and counted.

benchmarks/bench_calibration.py draws more of them, of more kinds (table in docs/verdicts.md).
"""

import calibration_cases
import numpy as np
import pytest
from bench_calibration import count, measurements
from calibration_cases import cases

from retrace.claims.judge import judge
from retrace.claims.measure import p_meets

DRAWS = 150
BULK = 1500
CHOSEN = [
    "mean, 1 x 1 seeds, seeds",
    "mean, 6 x 5 items, seeds",
    "mean, 1 x 32 items, rows",
    "mean, 3 x 10 items, all alike",
    "mean, 4 x 8 grid, seeds alone random",
    "share 0.9, 24 items",
    "spearman, 2 x 15 grid",
]
# wrong before: Satterthwaite's freedom with few seeds, plain t for skewed items and for correlations
MENDED = [
    ("mean, 1 x 500 items, all alike", 2),
    ("mean, 1 x 500 items, all alike", 3),
    ("mean, 1 x 32 items, skewed, rows", 3),
    ("spearman, 1 x 15 grid, seeds unlike", 5),
    ("spearman, 6 x 5 grid, seeds unlike", 8),
]


def case(name):
    return next(each for each in cases(name) if each.name == name)


def most(draws, share):
    """The most errors out of so many draws that chance allows at this true share."""
    return draws * share + 2.6 * np.sqrt(draws * share * (1 - share))


@pytest.mark.parametrize("seeds", [3, 8])
@pytest.mark.parametrize("name", CHOSEN)
def test_wrong_verdicts_are_as_rare_as_the_level_says(name, seeds):
    kind = case(name)
    above = below = 0
    for number in range(DRAWS):
        table = kind.table(np.random.default_rng((number, seeds, 7)), seeds)
        test = judge([kind.claim], table, kind.rows)[0].test
        above += test is not None and test.p < 0.05
        below += test is not None and test.p_against < 0.05
    assert max(above, below) <= most(DRAWS, 0.07 if name.startswith("spearman") else 0.06)


@pytest.mark.parametrize(("name", "seeds"), MENDED)
def test_tests_that_are_hard_to_calibrate_hold_their_level(name, seeds):
    shares = count(case(name), seeds, BULK) / 100
    allowed = 0.07 if name.startswith("spearman") else 0.06
    assert BULK * max(shares[0], shares[2]) <= most(BULK, allowed)
    assert BULK * max(shares[1], shares[3]) <= most(BULK, 0.008)


def test_draws_in_bulk_are_tested_as_the_judge_tests_tables(monkeypatch):
    monkeypatch.setattr(calibration_cases, "TRUTHS", 500)  # any threshold will do here
    for kind in cases():
        for seeds in (2, 5):
            found = measurements(kind, kind.draw(np.random.default_rng(3), 1, seeds))[0]
            record = judge([kind.claim], kind.table(np.random.default_rng(3), seeds), kind.rows)[0]
            p = (record.test.p, record.test.p_against)
            assert p == pytest.approx(p_meets(found, kind.claim.expect)), kind.name
            assert record.interval == pytest.approx(found.interval), kind.name


@pytest.mark.parametrize("name", ["mean, 1 x 1 seeds, seeds", "mean, 1 x 32 items, rows"])
def test_what_is_there_is_found(name):
    kind, found = case(name), 0
    for number in range(40):
        table = kind.table(np.random.default_rng((number, 8)), 8, more=kind.far(8))
        test = judge([kind.claim], table, kind.rows)[0].test
        found += test is not None and test.p < 0.05
    assert found >= 32
