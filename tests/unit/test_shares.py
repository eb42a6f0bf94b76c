"""Shares of yes-or-no items: a spread of nothing is no certainty, and a worse result no better verdict."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from test_judge import one

from retrace.stats.intervals import clopper_pearson
from retrace.stats.shares import paired_above, paired_below, share_above, share_below


@pytest.mark.parametrize(
    ("yes", "items", "bound"), [(0, 12, 0.1), (7, 40, 0.3), (12, 12, 0.5), (39, 40, 0.9)]
)
def test_exact_tests_are_those_of_scipy(yes, items, bound):
    for ours, side in ((share_above, "greater"), (share_below, "less")):
        assert ours(yes, items, bound) == pytest.approx(stats.binomtest(yes, items, bound, side).pvalue)


def test_without_a_margin_the_paired_test_is_mcnemars():
    z = (11 - 4) / np.sqrt(11 + 4)
    assert paired_above(11, 4, 50, 0.0) == pytest.approx(stats.norm.sf(z))
    assert paired_below(11, 4, 50, 0.0) == pytest.approx(stats.norm.cdf(z))


def test_pairs_that_all_agree_still_have_a_spread():
    assert paired_above(0, 0, 24, -0.04) > 0.1  # 24 pairs cannot tell a loss of 4 points from none
    assert paired_above(0, 0, 400, -0.04) < 0.005


def test_a_count_may_exceed_its_items_by_a_rounding():
    assert share_below(100000.00000000001, 100000, 0.95) == share_below(100000, 100000, 0.95) == 1.0


def test_counts_that_do_not_fit_are_refused():
    for call in (
        lambda: share_above(5, 4, 0.5),
        lambda: paired_above(3, 2, 4, 0.0),
        lambda: share_below(0, 0, 0.5),
    ):
        with pytest.raises(ValueError, match="yes"):
            call()
    with pytest.raises(ValueError, match="at least 0"):
        paired_above(-1, 0, 4, 0.0)


def answers(units, seeds=3, **columns):
    """`units` prompts, the same at every seed, with the number of ones asked for in each column."""
    rows = [
        {"seed": seed, "cell": "only", "condition": f"prompt:{unit}"}
        | {name: float(unit < ones) for name, ones in columns.items()}
        for seed in range(seeds)
        for unit in range(units)
    ]
    return pd.DataFrame(rows)


def share(table, expect, **evidence):
    asked = {"cells": ["only"], "statistic": "mean", "of": ["refused"], **evidence}
    table = table.assign(contrary=1 - table["refused"])
    return one(
        table,
        "items",
        expect=expect,
        control={"label": "the contrary", "of": "contrary"},
        kind="bound",
        evidence=asked,
    )


@pytest.mark.parametrize("units", [12, 100])
@pytest.mark.parametrize("all_ones", [False, True])
def test_the_interval_of_unanimous_items_is_the_exact_one(units, all_ones):
    record = share(
        answers(units, refused=units * all_ones), {"at_least": 0.5} if all_ones else {"at_most": 0.5}
    )
    assert record.interval == pytest.approx(clopper_pearson(units * all_ones, units, 0.95))
    assert record.measured == all_ones


def test_a_few_unanimous_prompts_do_not_settle_a_close_bound_and_many_do():
    close = {"at_most": 0.1}
    few = share(answers(12, refused=0), close)
    assert (few.verdict, few.test.p) == ("open", pytest.approx(0.9**12))
    assert share(answers(100, refused=0), close).verdict == "supported"
    assert share(answers(100, refused=100), close).verdict == "refuted"
    assert share(answers(12, refused=12), {"at_least": 0.5}).verdict == "supported"


@given(st.integers(4, 60), st.data())
@settings(max_examples=25, deadline=None)
def test_a_worse_result_is_never_clearer(units, data):
    yes = data.draw(st.integers(0, units - 1))
    better, worse = (share(answers(units, refused=n), {"at_most": 0.3}).test.p for n in (yes, yes + 1))
    assert better <= worse + 1e-12


def test_a_share_never_leaves_its_range():
    table = answers(12, refused=1)
    low, high = share(table, {"at_most": 0.5}).interval
    assert 0 <= low < 1 / 12 < high <= 1


def test_nor_does_a_difference_of_shares():
    table = answers(12, refused=11, other=0)
    for versus, of in (("other", "refused"), ("refused", "other")):
        low, high = share(table, {"at_least": 0.2}, of=[of], versus={"label": versus, "of": versus}).interval
        assert -1 <= low < high <= 1
