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


def test_ties_are_one_threshold():
    # the tied block cannot be entered halfway: at FPR 0.1 nothing but the two clear members counts
    scores = np.array([2.0, 2.0] + [1.0] * 198)
    member = np.arange(200) < 100
    assert tpr_at_fpr(scores, member, 0.1).value == 0.02
    assert auc(np.zeros(200), member) == 0.5


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


def test_ppv_follows_bayes():
    assert positive_predictive_value(0.5, 0.5, 0.1) == pytest.approx(0.1)
    assert positive_predictive_value(0.1, 0.001, 0.01) == pytest.approx(0.001 / (0.001 + 0.00099))
