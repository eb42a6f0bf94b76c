"""Shares in which every row agrees: a bootstrap of them has no spread, so the judge takes exact intervals."""

import numpy as np
import pandas as pd
import pytest
from test_judge import one

from retrace.stats.intervals import clopper_pearson

SEEDS = 3


def answers(units, **columns):
    """`units` prompts, the same at every seed, with the share of ones asked for in each column."""
    rows = [
        {"seed": seed, "cell": "only", "condition": f"prompt:{unit}"}
        | {name: float(unit < ones) for name, ones in columns.items()}
        for seed in range(SEEDS)
        for unit in range(units)
    ]
    return pd.DataFrame(rows)


def share(table, expect, **evidence):
    asked = {"cells": ["only"], "statistic": "mean", "of": ["refused"], **evidence}
    control = {"label": "the contrary", "of": "contrary"}
    table = table.assign(contrary=1 - table["refused"])
    return one(table, expect=expect, control=control, kind="bound", evidence=asked)


@pytest.mark.parametrize("units", [12, 100])
@pytest.mark.parametrize("all_ones", [False, True])
def test_the_interval_is_that_of_clopper_and_pearson_for_distinct_units(units, all_ones):
    expect = {"at_least": 0.5} if all_ones else {"at_most": 0.5}
    record = share(answers(units, refused=units * all_ones), expect)
    assert record.interval == pytest.approx(clopper_pearson(units * all_ones, units, 0.95), abs=0.01)
    assert record.measured == all_ones


def test_a_few_unanimous_prompts_do_not_settle_a_close_bound_and_many_do():
    close = {"at_most": 0.1}
    assert share(answers(12, refused=0), close).verdict == "inconclusive"  # 0.9^12 = 0.28
    assert share(answers(100, refused=0), close).verdict == "supported"
    assert share(answers(100, refused=100), close).verdict == "refuted"
    assert share(answers(12, refused=12), {"at_least": 0.5}).verdict == "supported"


def test_one_dissent_leaves_it_to_the_bootstrap():
    low, high = share(answers(12, refused=1), {"at_most": 0.5}).interval
    assert (low, high) == (0, pytest.approx(3 / 12, abs=0.05))


def test_two_unanimous_sides_are_at_their_worst_together():
    table = answers(12, refused=12, before=0)
    sides = {"versus": {"label": "before", "of": "before"}}
    record = share(table, {"at_least": 0.5}, **sides)
    worst = clopper_pearson(12, 12, 0.95)[0] - clopper_pearson(0, 12, 0.95)[1]
    assert record.interval == pytest.approx((worst, 1), abs=0.01)
    low, high = share(table.assign(before=1.0), {"within": 0.5}, **sides).interval
    assert low == pytest.approx(-high)
    assert high == pytest.approx(clopper_pearson(0, 12, 0.95)[1], abs=0.01)


def test_values_that_are_no_shares_are_left_to_the_bootstrap():
    record = share(answers(12, refused=0).assign(refused=0.25), {"at_most": 0.5})
    assert np.allclose(record.interval, 0.25)
