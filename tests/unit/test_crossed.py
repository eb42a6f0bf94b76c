"""A mean over seeds and items: Student's t, Clark's quasi-F, and what they are where one of them is all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from retrace.stats.crossed import Stratum, estimate
from retrace.stats.power import power_at, seeds_to_decide


@given(st.integers(2, 12), st.floats(-2, 2), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_with_fixed_units_it_is_the_t_test_over_seeds(seeds, bound, draw):
    values = np.random.default_rng(draw).normal(size=(seeds, 5))
    found = estimate([Stratum(values)], random_units=False)
    theirs = stats.ttest_1samp(values.mean(1), bound, alternative="greater")
    assert found.above(bound) == pytest.approx(theirs.pvalue)
    assert found.below(bound) == pytest.approx(1 - theirs.pvalue)
    assert found.interval(0.9) == pytest.approx(
        tuple(stats.ttest_1samp(values.mean(1), 0).confidence_interval(0.9))
    )


def test_with_random_units_it_is_clarks_quasi_f():
    rng = np.random.default_rng(0)
    s, u = 6, 40
    values = rng.normal(size=(s, 1)) + rng.normal(size=(1, u)) + rng.normal(size=(s, u))
    mean = values.mean()
    ms_seeds = u * values.mean(1).var(ddof=1)
    ms_units = s * values.mean(0).var(ddof=1)
    rest = values - values.mean(0) - values.mean(1)[:, None] + mean
    ms_rest = (rest**2).sum() / ((s - 1) * (u - 1))
    total = ms_seeds + ms_units - ms_rest
    df = total**2 / (ms_seeds**2 / (s - 1) + ms_units**2 / (u - 1) + ms_rest**2 / ((s - 1) * (u - 1)))
    found = estimate([Stratum(values)], random_units=True)
    assert found.value == pytest.approx(mean)
    assert found.tests[0].se == pytest.approx(np.sqrt(total / (s * u)))
    assert found.tests[0].df == pytest.approx(df)


def test_no_p_value_is_smaller_than_a_one_way_tests():
    rng = np.random.default_rng(4)
    for seed_sd, item_sd in ((1.0, 0.5), (0.2, 1.0), (0.5, 1.0)):
        values = 1 + seed_sd * rng.normal(size=(3, 1)) + item_sd * rng.normal(size=(1, 500))
        values = values + 0.1 * rng.normal(size=values.shape)
        found = estimate([Stratum(values)], random_units=True)
        for side in (values.mean(1), values.mean(0)):
            alone = stats.ttest_1samp(side, 0, alternative="greater").pvalue
            assert found.above(0) >= alone * (1 - 1e-9)
        low, high = found.interval()
        assert found.above(low) == pytest.approx(0.025)
        assert found.below(high) == pytest.approx(0.025)
        pivot = found.least_sure(0)
        assert found.above(0) == pytest.approx(pivot.above(found.value))


def test_skewed_items_are_tested_by_halls_t():
    items = np.random.default_rng(5).exponential(size=40)
    found = estimate([Stratum(np.tile(items, (3, 1)))], random_units=True)
    skew = stats.skew(items, bias=False) / np.sqrt(40)
    t = (items.mean() - 0.8) / (items.std(ddof=1) / np.sqrt(40))
    hall = t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6
    assert found.above(0.8) == pytest.approx(stats.t.sf(hall, 39))
    low, high = found.interval(0.9)
    assert (found.above(low), found.below(high)) == (pytest.approx(0.05), pytest.approx(0.05))
    assert high - found.value > found.value - low


def test_seeds_that_are_all_alike_leave_the_items():
    items = np.random.default_rng(1).normal(size=30)
    found = estimate([Stratum(np.tile(items, (4, 1)))], random_units=True)
    assert found.tests[0].se == pytest.approx(items.std(ddof=1) / np.sqrt(30))
    assert found.tests[0].df == pytest.approx(29)


def test_one_seed_and_no_spread_have_no_test():
    assert np.isnan(estimate([Stratum(np.ones((1, 5)))], True).above(0))
    flat = estimate([Stratum(np.full((5, 3), 0.1))], False)
    assert (flat.value, flat.tests) == (pytest.approx(0.1), ())
    assert np.isnan(flat.above(0))
    with pytest.raises(ValueError, match="finite value"):
        estimate([Stratum(np.full((2, 2), np.nan))], False)


def test_strata_that_share_seeds_are_added_with_their_covariance():
    x = np.random.default_rng(2).normal(size=(7, 1))
    same = estimate([Stratum(x, 0.5), Stratum(x, 0.5)], False)
    assert same.tests[0].se == pytest.approx(estimate([Stratum(x)], False).tests[0].se)
    assert estimate([Stratum(x), Stratum(x, -1.0)], False).tests == ()


def test_a_stratum_with_fewer_seeds_counts_as_much():
    short = np.array([[1.0], [1.2], [0.8], [np.nan], [np.nan]])
    long = np.array([[0.0], [0.1], [-0.1], [0.1], [-0.1]])
    found = estimate([Stratum(long, 0.5), Stratum(short, 0.5)], False)
    assert found.value == pytest.approx(0.5)
    assert found.tests[0].df == 2


def test_power_agrees_with_the_seeds_that_it_asks_for():
    n = seeds_to_decide(0.1, 0.2, alpha=0.01)
    assert power_at(0.1, 0.2, 0.0, n - 2, 0.01) < 0.8 < power_at(0.1, 0.2, 0.0, n + 1, 0.01)
    assert np.isnan(power_at(0.1, 0.2, 0.0, 1, 0.05))
    assert power_at(0.1, 0.0, 0.0, 2, 0.05) == 1


def test_a_test_with_less_freedom_needs_more_seeds():
    assert seeds_to_decide(0.1, 0.2, alpha=0.01, freedom=0.5) > seeds_to_decide(0.1, 0.2, alpha=0.01)
    assert power_at(0.1, 0.2, 0.0, 8, 0.05, freedom=0.5) < power_at(0.1, 0.2, 0.0, 8, 0.05)
