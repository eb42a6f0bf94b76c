import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from retrace.attacks.arrays import AttackError
from retrace.attacks.resolution import check_resolution
from retrace.attacks.roc import (
    auc,
    balanced_accuracy,
    best_threshold,
    best_threshold_per_class,
    positive_predictive_value,
    roc,
    tpr_at_fpr,
)
from retrace.stats.intervals import clopper_pearson

N = 20_000
QUANTILES = stats.norm.ppf((np.arange(N) + 0.5) / N)  # a normal sample without sampling error


def gaussians(distance):
    return np.concatenate([QUANTILES + distance, QUANTILES]), np.arange(2 * N) < N


@st.composite
def scored(draw):
    size = draw(st.integers(2, 40))
    scores = draw(arrays(np.float64, size, elements=st.integers(-5, 5).map(float)))
    member = draw(arrays(np.bool_, size))
    member[0], member[1] = True, False
    return scores, member


@pytest.mark.parametrize("distance", [0.0, 0.5, 2.0])
def test_gaussians_have_their_closed_form_auc_and_tpr(distance):
    scores, member = gaussians(distance)
    assert auc(scores, member) == pytest.approx(stats.norm.cdf(distance / np.sqrt(2)), abs=1e-4)
    for fpr in (0.01, 0.001):
        expected = stats.norm.cdf(distance - stats.norm.isf(fpr))
        assert tpr_at_fpr(scores, member, fpr).value == pytest.approx(expected, abs=3e-3)
    threshold = best_threshold(scores, member)
    assert balanced_accuracy(scores, member, threshold) == pytest.approx(
        stats.norm.cdf(distance / 2), abs=1e-4
    )


@given(scored())
def test_roc_is_scikit_learns(data):
    scores, member = data
    curve = roc(scores, member)
    fpr, tpr, thresholds = roc_curve(member, scores, drop_intermediate=False)
    np.testing.assert_array_equal(curve.fpr, fpr)
    np.testing.assert_array_equal(curve.tpr, tpr)
    np.testing.assert_array_equal(curve.thresholds, thresholds)
    assert curve.auc == pytest.approx(roc_auc_score(member, scores), abs=1e-12)


@given(scored())
def test_a_monotone_transform_keeps_the_roc(data):
    scores, member = data
    curve, bent = roc(scores, member), roc(np.exp(scores / 3) - 7, member)
    np.testing.assert_array_equal(curve.true_positives, bent.true_positives)
    np.testing.assert_array_equal(curve.false_positives, bent.false_positives)
    assert auc(-scores, member) == pytest.approx(1 - curve.auc)


@given(scored(), st.randoms(use_true_random=False))
def test_the_order_of_examples_does_not_matter(data, random):
    scores, member = data
    order = list(range(len(scores)))
    random.shuffle(order)
    np.testing.assert_array_equal(
        roc(scores, member).true_positives, roc(scores[order], member[order]).true_positives
    )


@given(scored())
def test_best_threshold_equals_trying_them_all(data):
    scores, member = data
    tried = {t: balanced_accuracy(scores, member, t) for t in np.unique(scores)}
    found = best_threshold(scores, member)
    assert tried[found] == pytest.approx(max(tried.values()), abs=1e-12)
    assert found == max(t for t, value in tried.items() if value > max(tried.values()) - 1e-12)


def test_thresholds_per_class_are_those_of_each_class_alone():
    rng = np.random.default_rng(0)
    scores, member, labels = rng.normal(size=300), rng.random(300) < 0.5, rng.integers(0, 3, 300)
    labels[:5], member[:5] = 3, True  # a class of members only
    found = best_threshold_per_class(scores, member, labels, 5)
    for label in range(3):
        assert found[label] == best_threshold(scores[labels == label], member[labels == label])
    assert found[3] == found[4] == best_threshold(scores, member)


def test_ties_are_one_threshold_and_are_called_in_part():
    # at FPR 0.1 the two clear members count, and a tenth of the 98 that tie with all non-members
    scores = np.array([2.0, 2.0] + [1.0] * 198)
    member = np.arange(200) < 100
    assert roc(scores, member).true_positives.tolist() == [0, 2, 100]
    rate = tpr_at_fpr(scores, member, 0.1)
    assert rate.value == pytest.approx(0.02 + 0.1 * 0.98)
    assert rate.threshold == 2.0
    assert (rate.low, rate.high) == (clopper_pearson(11, 100)[0], clopper_pearson(12, 100)[1])
    assert auc(np.zeros(200), member) == 0.5


@given(st.integers(11, 400), st.floats(0.03, 0.99))
def test_constant_scores_reach_the_fpr_itself(members, fpr):
    size = members + 400
    assert tpr_at_fpr(np.full(size, 0.7), np.arange(size) < members, fpr).value == pytest.approx(fpr)


@given(scored(), st.floats(0, 1))
def test_the_rate_between_thresholds_is_that_of_a_random_decision(data, fpr):
    scores, member = data
    curve = roc(scores, member)
    assert curve.tpr_at(fpr) == pytest.approx(upper_edge(curve, fpr), abs=1e-6)
    bent = roc(np.arctan(scores) * 1e6 + 3, member)
    assert bent.tpr_at(fpr) == curve.tpr_at(fpr)
    np.testing.assert_array_equal(curve.tpr_at(curve.fpr[-1:]), [1.0])


def upper_edge(curve, fpr):
    """The largest TPR of a mix of two neighbouring thresholds that has this FPR."""
    found = []
    for left, right in itertools.pairwise(range(len(curve.fpr))):
        low, high = curve.fpr[left], curve.fpr[right]
        if low <= fpr + 1e-12 and fpr <= high + 1e-12:
            share = 1.0 if high == low else (fpr - low) / (high - low)
            found.append(curve.tpr[left] + share * (curve.tpr[right] - curve.tpr[left]))
    return max(found)


def test_without_ties_it_is_the_largest_tpr_at_most_at_that_fpr():
    rng = np.random.default_rng(3)
    scores, member = rng.normal(size=1050), np.arange(1050) < 50
    curve = roc(scores, member)
    for fpr in (0.01, 0.0104, 0.02, 0.5):
        expected = curve.tpr[curve.fpr <= fpr * (1 + 1e-12)].max()
        assert tpr_at_fpr(scores, member, fpr).value == expected
        assert curve.tpr_at([fpr, 1.0]).tolist() == [expected, 1.0]


def test_identical_scores_inside_and_outside_give_one_half():
    values = np.random.default_rng(0).normal(size=500)
    assert auc(np.tile(values, 2), np.arange(1000) < 500) == 0.5


def test_permuted_membership_gives_one_half():
    scores, member = gaussians(2.0)
    areas = [auc(scores, np.random.default_rng(seed).permutation(member)) for seed in range(10)]
    error = np.sqrt((2 * N + 1) / (12 * N * N))  # Mann-Whitney under no difference
    assert abs(np.mean(areas) - 0.5) < 4 * error / np.sqrt(10)


def test_interval_is_clopper_pearson():
    scores, member = gaussians(1.0)
    rate = tpr_at_fpr(scores, member, 0.01, level=0.9)
    hits = round(rate.value * N)
    assert rate.low == pytest.approx(stats.beta.ppf(0.05, hits, N - hits + 1), abs=1e-8)
    assert rate.high == pytest.approx(stats.beta.ppf(0.95, hits + 1, N - hits), abs=1e-8)
    assert (scores[~member] >= rate.threshold).mean() <= 0.01


def test_an_exact_fpr_is_reached_not_missed_by_rounding():
    non_members = np.arange(100_000.0)
    scores, member = np.append(non_members, 99_990.0), np.arange(100_001) == 100_000
    assert tpr_at_fpr(scores, member, 0.0001).value == 1.0  # tied with the tenth-highest
    few, one = np.append(np.arange(100.0), 71.0), np.arange(101) == 100
    assert 0.29 * 100 < 29  # as floats
    assert tpr_at_fpr(few, one, 0.29).value == 1.0
    scores[-1] = 99_989.0
    assert tpr_at_fpr(scores, member, 0.0001).value == 0.0  # tied with the eleventh


def test_too_few_non_members_are_refused():
    with pytest.raises(
        AttackError, match=r"FPR 0\.001 needs 10000 non-members, there are 500; .* FPR >= 0\.02"
    ):
        tpr_at_fpr(np.arange(600.0), np.arange(600) < 100, 0.001)
    check_resolution(10_000, 0.001)
    with pytest.raises(AttackError):
        check_resolution(9_999, 0.001)
    check_resolution(1_000, 0.001, least=1)


@pytest.mark.parametrize(
    ("scores", "member", "says"),
    [
        ([1.0, np.nan], [True, False], "1 of 2 are NaN"),
        ([1.0, 2.0], [True, True], "2 members of 2"),
        ([1.0, 2.0], [True], "shape must be 2"),
        ([[1.0, 2.0]], [[True, False]], "flatten"),
        ([1.0, 2.0], [2, 0], "True or False"),
    ],
)
def test_bad_scores_are_refused(scores, member, says):
    with pytest.raises(AttackError, match=says):
        auc(scores, member)
    with pytest.raises(AttackError, match="lies in"):
        check_resolution(10, 0.0)


def test_scores_that_are_no_numbers_and_no_threshold_are_refused():
    with pytest.raises(AttackError, match="scores: numbers are wanted; got <U1"):
        auc(["a", "b"], [True, False])
    with pytest.raises(AttackError, match="threshold: a number; got NaN"):
        balanced_accuracy([1.0, 2.0], [True, False], float("nan"))


def test_percentages_given_for_shares_are_refused():
    scores, member = gaussians(1.0)
    with pytest.raises(AttackError, match=r"lies in \(0, 1\), 1 % is 0.01; got 1"):
        tpr_at_fpr(scores, member, 1)
    with pytest.raises(AttackError, match=r"as 0\.95; got 95"):
        tpr_at_fpr(scores, member, 0.01, level=95)
    with pytest.raises(AttackError, match=r"in \[0, 1\]; 1 % is 0.01"):
        roc(scores, member).tpr_at([0.5, 5])
    for shares in ((0.1, 0.1, 7), (3, 0.1, 0.5), (0.1, -1, 0.5)):
        with pytest.raises(AttackError, match="a share from 0 to 1"):
            positive_predictive_value(*shares)


def test_ppv_follows_bayes():
    assert positive_predictive_value(0.5, 0.5, 0.1) == pytest.approx(0.1)
    assert positive_predictive_value(0.1, 0.001, 0.01) == pytest.approx(0.001 / (0.001 + 0.00099))
