"""Rivals of the reuse indices against closed forms and direct formulas."""

import numpy as np
import pytest
import torch
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
