"""Rivals of the reuse indices against closed forms and direct formulas."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf

from retrace.metrics.reuse import transferability as rivals
from retrace.metrics.reuse.gradients import initial_gradient_norm

RNG = np.random.default_rng


def two_groups(gap, rows=40, columns=5, seed=0):
    labels = np.arange(rows) % 2
    return RNG(seed).normal(size=(rows, columns)) + gap * labels[:, None], labels


def test_all_rivals_prefer_separated_features():
    (near, labels), (far, _) = two_groups(0.3), two_groups(3)
    for name, sign in (("knn_error", 1), ("ncm_error", 1), ("h_score", -1), ("log_me", -1)):
        score = getattr(rivals, name)
        assert sign * score(near, labels) > sign * score(far, labels), name
    assert rivals.knn_error(far, labels) == rivals.ncm_error(far, labels) == 0


def test_knn_leaves_the_image_itself_out():
    values = np.repeat(np.arange(6.0), 1)[:, None]
    assert rivals.knn_error(values, np.array([0, 1, 0, 1, 0, 1]), neighbours=1) == 1
    assert rivals.knn_clean_error(values, np.arange(6), values, np.arange(6), k=1) == 0
    with pytest.raises(ValueError, match="too few"):
        rivals.knn_error(values, np.arange(6), neighbours=6)


def test_h_score_is_the_direct_formula():
    values, labels = two_groups(1.0)
    fit = LedoitWolf().fit(values)
    means = np.stack([values[labels == label].mean(axis=0) for label in labels]) - values.mean(axis=0)
    direct = np.trace(np.linalg.inv(fit.covariance_) @ (means.T @ means / len(values))) * (1 - fit.shrinkage_)
    assert rivals.h_score(values, labels) == pytest.approx(direct)


def test_h_score_stands_more_columns_than_rows_and_constant_columns():
    values, labels = two_groups(1.0, rows=10, columns=40)
    values[:, 3] = 2.0
    assert 0 < rivals.h_score(values, labels) < 2


@pytest.mark.parametrize("columns", [3, 30])
def test_log_me_is_the_largest_evidence(columns):
    values, labels = two_groups(0.7, rows=20, columns=columns)

    def negative_evidence(logs, target):
        alpha, beta = np.exp(logs)
        covariance = values @ values.T / alpha + np.eye(20) / beta
        return -multivariate_normal.logpdf(target, np.zeros(20), covariance)

    both = []
    for label in (0, 1):
        target = (labels == label).astype(float)
        tries = [minimize(negative_evidence, start, target, "Nelder-Mead").fun for start in ([0, 0], [3, 2])]
        both.append(-min(tries) / 20)
    assert rivals.log_me(values, labels) == pytest.approx(np.mean(both), abs=2e-3)


def log_me_by_svd(features, labels):
    """LogME class by class from the singular value decomposition of the features."""
    values = features.astype(np.float64)
    rows, columns = values.shape
    left, singular, _ = np.linalg.svd(values, full_matrices=False)
    power, evidence = np.square(singular), []
    for label in np.unique(labels):
        target = (labels == label).astype(np.float64)
        explained = np.square(left.T @ target)
        outside = max(float(target @ target - explained.sum()), 0.0)

        def sums(alpha, beta, explained=explained, outside=outside):
            shrunk = alpha + beta * power
            weight = (beta**2 * power * explained / shrunk**2).sum()
            residual = (explained * (alpha / shrunk) ** 2).sum() + outside
            return weight, residual, (beta * power / shrunk).sum(), np.log(shrunk).sum()

        alpha = beta = 1.0
        for _ in range(50):
            weight, residual, effective, _ = sums(alpha, beta)
            previous = alpha / beta
            alpha, beta = effective / max(weight, 1e-12), (rows - effective) / max(residual, 1e-12)
            if abs(alpha / beta - previous) <= 1e-5 * previous:
                break
        weight, residual, _, logdet = sums(alpha, beta)
        logdet += max(columns - len(power), 0) * np.log(alpha)
        total = columns * np.log(alpha) + rows * np.log(beta / (2 * np.pi))
        evidence.append((total - beta * residual - alpha * weight - logdet) / (2 * rows))
    return np.mean(evidence)


def h_score_by_covariance(values, labels):
    """The shrinkage H-score from scikit-learn's covariance, inverted along its own eigenvectors."""
    fit = LedoitWolf().fit(values)
    middle = values.mean(axis=0)
    means = np.stack([values[labels == label].mean(axis=0) for label in labels]) - middle
    between = means.T @ means / len(values)
    return np.trace(np.linalg.pinv(fit.covariance_, rcond=1e-12) @ between) * (1 - fit.shrinkage_)


@st.composite
def features_of_any_rank(draw):
    rows, columns = draw(st.integers(8, 60)), draw(st.integers(2, 80))
    rank = draw(st.integers(1, min(rows, columns)))
    rng, classes = RNG(draw(st.integers(0, 999))), draw(st.integers(2, 5))
    labels = np.arange(rows) % classes
    inner = rng.normal(size=(rows, rank)) + rng.normal(size=(classes, rank))[labels]
    values = inner @ rng.normal(size=(rank, columns)) * 10.0 ** draw(st.integers(-2, 2))
    if draw(st.booleans()):
        values[:, 0] = 0.0
    return values, labels


@settings(max_examples=200, deadline=None)
@given(features_of_any_rank())
def test_gram_matrices_give_what_the_decomposition_gives(case):
    values, labels = case
    assert rivals.log_me(values, labels) == pytest.approx(log_me_by_svd(values, labels), abs=1e-6)
    assert rivals.h_score(values, labels) == pytest.approx(h_score_by_covariance(values, labels), abs=1e-6)


def test_features_that_say_nothing_give_finite_values():
    labels = np.arange(12) % 3
    assert rivals.h_score(np.zeros((12, 4)), labels) == 0
    assert np.isfinite(rivals.log_me(np.zeros((12, 4)), labels))


@pytest.mark.parametrize("shape", [(400, 9), (9, 400)])
def test_the_smaller_gram_matrix_is_taken(shape, monkeypatch):
    sides, whole = [], np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda matrix: sides.append(matrix.shape) or whole(matrix))
    values = RNG(0).normal(size=shape)
    rivals.log_me(values, np.arange(len(values)) % 2)
    rivals.h_score(values, np.arange(len(values)) % 2)
    assert sides == [(9, 9)] * 2


def test_leep_closed_forms():
    labels = np.arange(30) % 3
    assert rivals.leep(50.0 * np.eye(3)[labels], labels) == pytest.approx(0, abs=1e-9)
    assert rivals.leep(np.zeros((30, 7)), labels) == pytest.approx(-np.log(3))


def test_source_error_loss_and_feature_shift():
    logits, labels = np.array([[2.0, 0.0], [2.0, 0.0]]), np.array([0, 1])
    assert rivals.source_error(logits, labels) == 0.5
    assert rivals.source_loss(logits, labels) == pytest.approx(np.log1p(np.exp(-2)) + 1)
    assert rivals.feature_shift(np.zeros((4, 2)), np.tile([3.0, 4.0], (6, 1))) == 5


def test_single_class_gives_finite_values():
    values, labels = RNG(1).normal(size=(12, 4)), np.zeros(12, dtype=int)
    assert rivals.knn_error(values, labels) == rivals.ncm_error(values, labels) == 0
    assert rivals.h_score(values, labels) == pytest.approx(0, abs=1e-12)
    assert np.isfinite(rivals.log_me(values, labels))
    assert rivals.leep(values, labels) == pytest.approx(0)


RIVALS = ("knn_error", "ncm_error", "h_score", "log_me", "leep", "source_error", "source_loss")


@pytest.mark.parametrize("name", RIVALS)
def test_bad_values_are_one_clear_line(name):
    values, labels = two_groups(1.0)
    rival = getattr(rivals, name)
    for wrong in (labels[:-1], labels[:, None]):
        with pytest.raises(ValueError, match="one label for each image"):
            rival(values, wrong)
    with pytest.raises(ValueError, match="one label for each image"):
        rival(values[:0], labels[:0])
    values[3, 1] = np.nan
    with pytest.raises(ValueError, match="not finite; check the network"):
        rival(values, labels)


def test_initial_gradient_norm_is_that_of_the_mean_loss():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 3))
    images, labels = torch.randn(11, 4), np.arange(11) % 3
    found = initial_gradient_norm(net, images, labels, batch=4)
    assert net.training
    assert all(parameter.grad is None for parameter in net.parameters())
    net.eval()
    torch.nn.functional.cross_entropy(net(images), torch.from_numpy(labels)).backward()
    expected = torch.sqrt(sum(parameter.grad.square().sum() for parameter in net.parameters()))
    assert found == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises(ValueError, match=r"0\.\.2"):
        initial_gradient_norm(net, images, labels + 1)
