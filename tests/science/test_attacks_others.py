import numpy as np
import pytest
from attack_ensembles import make_ensemble
from scipy.special import log_softmax
from scipy.stats import norm

from retrace.attacks.arrays import AttackError
from retrace.attacks.membership.gradient import gradient_norm_attack
from retrace.attacks.membership.nn import nn_attack
from retrace.attacks.membership.population import attack_p
from retrace.attacks.membership.quantile import quantile_attack
from retrace.attacks.membership.reference import attack_r, difficulty_calibration
from retrace.attacks.membership.suite import nn_scores
from retrace.attacks.membership.threshold import threshold_attack, threshold_attack_per_class
from retrace.attacks.roc import auc, balanced_accuracy, best_threshold
from retrace.metrics.norm_disparity import norm_auc, representation_norms, standardised_difference


@pytest.fixture
def shadowed():
    """A signal with a class offset: the target, three shadows, their members, the labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 900)
    member = rng.random((4, 900)) < 0.5
    signal = 10.0 * labels + 2.0 * member + rng.normal(size=member.shape)
    return signal[0], signal[1:], member, labels


def test_threshold_comes_from_the_shadows_alone(shadowed):
    target, shadows, member, _ = shadowed
    scores = threshold_attack(target, shadows, member[1:])
    found = best_threshold(shadows.ravel(), member[1:].ravel())
    np.testing.assert_array_equal(scores, target - found)
    np.testing.assert_array_equal(threshold_attack(target + 5, shadows, member[1:]), target + 5 - found)


def test_thresholds_per_class_undo_class_offsets(shadowed):
    target, shadows, member, labels = shadowed
    everywhere = threshold_attack(target, shadows, member[1:])
    per_class = threshold_attack_per_class(target, shadows, member[1:], labels)
    assert auc(per_class, member[0]) == pytest.approx(norm.cdf(np.sqrt(2)), abs=0.03)
    assert auc(everywhere, member[0]) < 0.7
    assert balanced_accuracy(per_class, member[0], 0.0) == pytest.approx(norm.cdf(1.0), abs=0.04)
    for label in range(3):
        at = labels == label
        alone = threshold_attack(target[at], shadows[:, at], member[1:, at])
        np.testing.assert_array_equal(per_class[at], alone)


def test_small_gradients_mean_members(shadowed):
    target, shadows, member, labels = shadowed
    norms, known = np.exp(-target / 10), np.exp(-shadows / 10)
    scores = gradient_norm_attack(norms, known, member[1:], labels)
    assert auc(scores, member[0]) > 0.8
    np.testing.assert_array_equal(
        gradient_norm_attack(norms, known, member[1:]), threshold_attack(-norms, -known, member[1:])
    )
    with pytest.raises(AttackError, match="not negative"):
        gradient_norm_attack(-norms, known, member[1:])


def test_attack_p_is_the_empirical_rank():
    population = np.array([0.0, 1.0, 1.0, 2.0])
    assert attack_p([-1.0, 0.0, 1.0, 1.5, 3.0], population).tolist() == [0.0, 0.25, 0.75, 0.75, 1.0]
    with pytest.raises(AttackError, match="got none"):
        attack_p([0.0], [])


def test_attack_r_and_calibration_use_out_models_only():
    references = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 5.0]])
    member = np.array([[False, False], [False, False], [False, True]])
    assert attack_r([1.0, 1.0], references, member).tolist() == [2 / 3, 1.0]
    assert attack_r([1.0, 1.0], references).tolist() == [2 / 3, 2 / 3]
    assert difficulty_calibration([1.0, 1.0], references, member).tolist() == [0.0, 0.5]
    loss = -references
    expected = loss[:, 0].mean() - 0.25  # mean OUT loss minus the target's
    assert difficulty_calibration([-0.25, 0.0], references, member)[0] == pytest.approx(expected)
    with pytest.raises(AttackError, match="2 examples have no reference"):
        attack_r([1.0, 1.0], references, np.ones((3, 2), dtype=bool))


def test_quantile_attack_learns_the_difficulty():
    rng = np.random.default_rng(1)
    features, public = rng.normal(size=(1000, 2)), rng.normal(size=(1000, 2))
    inside = np.arange(1000) < 500
    signal = 4 * features[:, 0] + 2 * inside + rng.normal(size=1000)
    known = 4 * public[:, 0] + rng.normal(size=1000)
    scores = quantile_attack(signal, features, known, public, fpr=0.1)
    assert auc(scores, inside) > auc(signal, inside) + 0.1
    assert (scores[~inside] >= 0).mean() == pytest.approx(0.1, abs=0.06)
    np.testing.assert_array_equal(scores, quantile_attack(signal, features, known, public, fpr=0.1))
    with pytest.raises(AttackError, match="needs 10000 non-members"):
        quantile_attack(signal, features, known, public, fpr=0.001)


@pytest.mark.parametrize("features", ["posterior+label", "sorted"])
def test_nn_attack_finds_confident_members(features):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 400)
    member = rng.random((5, 400)) < 0.5
    logits = rng.normal(size=(5, 400, 3))
    logits[:, np.arange(400), labels] += 1 + 3 * member
    scores = nn_attack(logits[:2], logits[2:], member[2:], labels, features=features)
    assert scores.shape == (2, 400)
    assert min(auc(scores[k], member[k]) for k in range(2)) > 0.75
    one = nn_attack(logits[0], logits[2:], member[2:], labels, features=features)
    np.testing.assert_allclose(one, scores[0], rtol=1e-12)
    shuffled = rng.permutation(member[2:], axis=1)
    null = nn_attack(logits[:2], logits[2:], shuffled, labels, features=features, epochs=5)
    assert abs(auc(null[0], rng.permutation(member[0])) - 0.5) < 0.12


def test_nn_attack_takes_a_bounded_seeded_draw():
    rng = np.random.default_rng(3)
    logits, member = rng.normal(size=(3, 100, 3)), rng.random((3, 100)) < 0.5
    labels = log_softmax(logits[0], axis=-1).argmax(axis=-1)
    few = [nn_attack(logits[0], logits, member, labels, epochs=2, most_rows=50, seed=s) for s in (0, 0, 1)]
    np.testing.assert_array_equal(few[0], few[1])
    assert (few[0] != few[2]).any()
    with pytest.raises(AttackError, match="do not fit"):
        nn_attack(logits[0, :50], logits, member, labels)
    with pytest.raises(AttackError, match="both members and non-members"):
        nn_attack(logits[0], logits, np.ones_like(member), labels)
    with pytest.raises(AttackError, match="shadows: finite logits"):
        nn_attack(logits[0], np.where(logits == logits[1, 2, 0], np.nan, logits), member, labels)
    with pytest.raises(AttackError, match="epochs and hidden sizes from 1; got 0"):
        nn_attack(logits[0], logits, member, labels, epochs=0)
    with pytest.raises(AttackError, match="hidden sizes from 1"):
        nn_attack(logits[0], logits, member, labels, hidden=())
    with pytest.raises(AttackError, match="choose adam or sgd"):
        nn_attack(logits[0], logits, member, labels, solver="lbfgs")


def test_the_published_network_is_larger_and_trains_longer_by_sgd():
    models = make_ensemble(models=8, examples=200)
    scores = nn_scores(models, 3, name="nn_published")
    lead = np.minimum(np.arange(8), models.partners)
    held = np.unique(lead, return_inverse=True)[1] % 2 == 0
    direct = nn_attack(
        models.logits[held],
        models.logits[~held],
        models.inside[~held],
        models.labels,
        hidden=(128, 64, 64),
        epochs=100,
        solver="sgd",
        seed=3,
    )
    np.testing.assert_array_equal(scores[held], direct)
    assert (scores != nn_scores(models, 3)).any()


def test_norm_disparity_is_cohens_d_and_an_auc():
    rng = np.random.default_rng(4)
    directions = rng.normal(size=(4000, 5))
    inside = np.arange(4000) < 2000
    lengths = 10 + rng.normal(size=4000) - 0.8 * inside
    vectors = directions / np.linalg.norm(directions, axis=1, keepdims=True) * lengths[:, None]
    norms = representation_norms(vectors)
    np.testing.assert_allclose(norms, lengths)
    assert standardised_difference(norms, inside) == pytest.approx(-0.8, abs=0.1)
    assert norm_auc(norms, inside) == pytest.approx(norm.cdf(-0.8 / np.sqrt(2)), abs=0.03)
    assert standardised_difference([1.0, 3.0, 2.0, 4.0], [1, 1, 0, 0]) == pytest.approx(-1 / np.sqrt(2))
    with pytest.raises(AttackError, match="got 1 and 1"):
        standardised_difference([1.0, 2.0], [1, 0])
    with pytest.raises(AttackError, match="no scale"):
        standardised_difference([1.0, 1.0, 2.0, 2.0], [1, 1, 0, 0])
