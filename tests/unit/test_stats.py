import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from retrace.stats.correlation import (
    kendall,
    off_fishers_scale,
    on_fishers_scale,
    pearson,
    ranks,
    spearman,
)
from retrace.stats.intervals import clopper_pearson, t_interval, wilson
from retrace.stats.power import seeds_to_decide
from retrace.stats.tests import holm

PEERS = [(pearson, stats.pearsonr), (spearman, stats.spearmanr), (kendall, stats.kendalltau)]
FEW = st.integers(0, 4).map(float)  # few values, hence many ties


@pytest.mark.parametrize(("ours", "theirs"), PEERS)
@pytest.mark.parametrize("levels", [3, 1000])
def test_agrees_with_scipy_over_leading_axes(ours, theirs, levels):
    rng = np.random.default_rng(levels)
    x, y = rng.integers(0, levels, (2, 4, 5, 12)).astype(float)
    expected = [[theirs(x[i, j], y[i, j]).statistic for j in range(5)] for i in range(4)]
    np.testing.assert_allclose(ours(x, y), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("ours", "_"), PEERS)
def test_constant_or_missing_input_gives_nan_not_an_error(ours, _):
    assert np.isnan(ours([0.1, 0.1, 0.1], [1, 2, 3]))
    assert np.isnan(ours([1, 2, 3], [0.1, 0.1, 0.1]))
    assert np.isnan(ours([1, 2, np.nan], [1, 2, 3]))
    assert np.isnan(ours([1, 2, 3], [1, 2, 3], weights=[0, 3, 0]))


def test_refuses_columns_of_unequal_length():
    with pytest.raises(ValueError, match="last axes of one length"):
        spearman([1, 2, 3], [1, 2])


@pytest.mark.parametrize(("ours", "theirs"), PEERS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_weight_counts_repetitions(ours, theirs, data):
    x, y = (np.array(data.draw(st.lists(FEW, min_size=6, max_size=6))) for _ in range(2))
    counts = data.draw(hnp.arrays(np.int64, (3, 6), elements=st.integers(0, 3)))
    for weights, found in zip(counts, ours(x, y, counts), strict=True):
        a, b = np.repeat(x, weights), np.repeat(y, weights)
        if len(np.unique(a)) < 2 or len(np.unique(b)) < 2:
            assert np.isnan(found)
        else:
            assert found == pytest.approx(theirs(a, b).statistic, abs=1e-12)


@given(x=hnp.arrays(float, (2, 7), elements=FEW))
@settings(max_examples=40, deadline=None)
def test_ranks_are_mid_ranks(x):
    np.testing.assert_array_equal(ranks(x), stats.rankdata(x, axis=-1))


@given(
    x=hnp.arrays(float, 8, elements=FEW),
    y=hnp.arrays(float, 8, elements=FEW),
    scale=st.sampled_from([0.125, 4.0]),
    order=st.permutations(range(8)),
)
@settings(max_examples=40, deadline=None)
def test_spearman_ignores_order_and_increasing_maps(x, y, scale, order):
    before = spearman(x, y)
    np.testing.assert_allclose(spearman(x[order], y[order]), before, atol=1e-12)
    np.testing.assert_allclose(spearman(scale * x - 3, np.exp(y)), before, atol=1e-12)
    np.testing.assert_allclose(spearman(-x, y), -before, atol=1e-12)


@given(st.floats(-0.99, 0.99), st.floats(-0.99, 0.99))
def test_fishers_scale_shortens_what_lies_towards_one_and_turns_back(value, bound):
    seen = on_fishers_scale(value, bound)
    slope = (np.arctanh(value) - np.arctanh(bound)) * (1 - value**2)
    assert value - seen == pytest.approx(slope, abs=1e-12)
    assert off_fishers_scale(value, seen) == pytest.approx(bound, abs=1e-9)
    if 0 <= bound < value:
        assert value - seen <= value - bound + 1e-12
    assert (on_fishers_scale(value, 1.0), on_fishers_scale(value, -1.2)) == (np.inf, -np.inf)
    assert np.isfinite(on_fishers_scale(1.3, bound))


def test_t_interval_in_closed_form():
    x = [1.0, 2.0, 4.0]
    half = stats.t.ppf(0.975, 2) * stats.sem(x)
    assert t_interval(x) == pytest.approx((7 / 3 - half, 7 / 3 + half))
    with pytest.raises(ValueError, match="at least 2 values"):
        t_interval([1.0])


@pytest.mark.parametrize("n", [2, 3, 8, 40])
def test_intervals_are_those_of_scipy_stats(n):
    x = np.random.default_rng(n).normal(0.3, 1, n)
    assert t_interval(x, 0.9) == pytest.approx(theirs_interval(x, 0.9), abs=1e-12)
    for ours, method in ((clopper_pearson, "exact"), (wilson, "wilson")):
        for k in {0, 1, n // 2, n}:
            interval = stats.binomtest(k, n).proportion_ci(0.99, method=method)
            assert ours(k, n, 0.99) == pytest.approx((interval.low, interval.high), abs=1e-12)


def theirs_interval(x, level):
    interval = stats.ttest_1samp(x, 0).confidence_interval(level)
    return interval.low, interval.high


@pytest.mark.parametrize(("ours", "name"), [(clopper_pearson, "beta"), (wilson, "wilson")])
def test_proportions_agree_with_statsmodels(ours, name):
    assert ours(7, 40) == pytest.approx(proportion_confint(7, 40, 0.05, name))
    assert ours(0, 10)[0] == 0
    with pytest.raises(ValueError, match="11 of 10"):
        ours(11, 10)


def test_holm_agrees_with_statsmodels():
    rng = np.random.default_rng(0)
    for p in (rng.random(7) ** 3, [0.01, 0.01, 0.04, 0.9, 0.04], [0.2]):
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([]) == []


def test_seeds_to_decide():
    n = seeds_to_decide(0.1, 0.2)
    factors = [stats.t.ppf(0.95, k - 1) + stats.t.ppf(0.8, k - 1) for k in (n - 1, n)]
    assert factors[1] * 0.2 / np.sqrt(n) <= 0.1 < factors[0] * 0.2 / np.sqrt(n - 1)
    assert seeds_to_decide(0.2, 0.2) < n < seeds_to_decide(0.1, 0.2, alpha=0.01)
    assert seeds_to_decide(0.1, 0.2, fixed_se=0.06) is None  # more seeds cannot help
    assert seeds_to_decide(0.0, 0.2) is None
    assert seeds_to_decide(float("nan"), 0.2) is None
