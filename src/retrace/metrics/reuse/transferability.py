"""Transferability estimators and trivial rivals, from features, logits and labels alone."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.neighbors import NearestNeighbors

from retrace.metrics.reuse.clustering import Labels, Values, class_means


def knn_error(features: Values, labels: Labels, neighbours: int = 5) -> float:
    """Return the leave-one-out error of the k nearest neighbours (Euclidean) on features (N,D), in [0,1].

    A tied vote goes to the lower label. Raises ValueError with fewer than k+1 images.
    """
    if len(features) <= neighbours:
        raise ValueError(f"{len(features)} images are too few for {neighbours} neighbours; give more images")
    found = NearestNeighbors(n_neighbors=neighbours).fit(features).kneighbors(return_distance=False)
    return _vote_error(np.asarray(labels)[found], labels)


def knn_clean_error(
    clean: Values, clean_labels: Labels, features: Values, labels: Labels, k: int = 5
) -> float:
    """Return the error on features (N,D) of the k nearest of the clean features (M,D), in [0,1]."""
    if len(clean) < k:
        raise ValueError(f"{len(clean)} clean images are too few for {k} neighbours; give more images")
    found = NearestNeighbors(n_neighbors=k).fit(clean).kneighbors(features, return_distance=False)
    return _vote_error(np.asarray(clean_labels)[found], labels)


def ncm_error(features: Values, labels: Labels) -> float:
    """Return the error of the nearest class mean on the features (N,D) the means come from, in [0,1]."""
    found, compact = np.unique(labels, return_inverse=True)
    means = class_means(features.astype(np.float64), labels)
    scores = np.square(means).sum(axis=1) - 2 * (features @ means.T)
    return float((scores.argmin(axis=1) != compact).mean()) if len(found) > 1 else 0.0


def h_score(features: Values, labels: Labels) -> float:
    """Return the shrinkage H-score of features (N,D): tr(S_a^-1 (1-a) S_between), larger = easier.

    S_a is the Ledoit-Wolf covariance with shrinkage a; S_between the covariance of the class means.
    Source: Bao et al. (ICIP 2019) with the regularisation of Ibrahim et al. (arXiv 2110.06893).
    """
    values = features.astype(np.float64)
    values -= values.mean(axis=0)
    shrinkage = float(ledoit_wolf_shrinkage(values, assume_centered=True))
    # class means lie in the span of the data, so the inverse is needed along its singular vectors only
    left, singular, _ = np.linalg.svd(values, full_matrices=False)
    power = np.square(singular) / len(values)
    spectrum = (1 - shrinkage) * power + shrinkage * power.sum() / values.shape[1]
    compact = np.unique(labels, return_inverse=True)[1]
    coordinates = np.square(class_means(left * singular, labels))
    between = np.bincount(compact) / len(values) @ coordinates
    used = spectrum > spectrum.max(initial=0.0) * 1e-12
    return float((1 - shrinkage) * (between[used] / spectrum[used]).sum())


def log_me(features: Values, labels: Labels, iterations: int = 50) -> float:
    """Return LogME of features (N,D): the mean over classes of the log evidence per image, larger = easier.

    Bayesian linear regression of each class indicator, its two precisions found by fixed-point iteration
    on the singular values. Source: You et al., LogME (ICML 2021), equations 2-5 and algorithm 3.
    """
    values = features.astype(np.float64)
    rows, columns = values.shape
    left, singular, _ = np.linalg.svd(values, full_matrices=False)
    power = np.square(singular)
    evidence = []
    for label in np.unique(labels):
        target = (labels == label).astype(np.float64)
        explained = np.square(left.T @ target)
        outside = float(target @ target - explained.sum())
        alpha = beta = 1.0
        for _ in range(iterations):
            shrunk = alpha + beta * power
            weight = float((beta**2 * power * explained / shrunk**2).sum())
            residual = float((explained * (alpha / shrunk) ** 2).sum()) + max(outside, 0.0)
            effective = float((beta * power / shrunk).sum())
            previous = alpha / beta
            alpha = effective / max(weight, 1e-12)
            beta = (rows - effective) / max(residual, 1e-12)
            if abs(alpha / beta - previous) <= 1e-5 * previous:
                break
        shrunk = alpha + beta * power
        weight = float((beta**2 * power * explained / shrunk**2).sum())
        residual = float((explained * (alpha / shrunk) ** 2).sum()) + max(outside, 0.0)
        logdet = float(np.log(shrunk).sum()) + max(columns - len(power), 0) * np.log(alpha)
        total = columns * np.log(alpha) + rows * np.log(beta / (2 * np.pi))
        evidence.append((total - beta * residual - alpha * weight - logdet) / (2 * rows))
    return float(np.mean(evidence))


def leep(logits: Values, labels: Labels) -> float:
    """Return LEEP of source logits (N,Z) for labels (N,): a mean log-likelihood <= 0, larger = easier.

    Source: Nguyen et al., LEEP (ICML 2020), equations 1-2.
    """
    source = softmax(logits.astype(np.float64), axis=1)
    compact = np.unique(labels, return_inverse=True)[1]
    conditional = class_means(source, labels) * (np.bincount(compact) / len(source))[:, None]
    conditional /= np.maximum(conditional.sum(axis=0), np.finfo(np.float64).tiny)
    return float(np.log((source * conditional[compact]).sum(axis=1)).mean())


def feature_shift(clean: Values, shifted: Values) -> float:
    """Return the Euclidean distance between the mean features of (M,D) and (N,D)."""
    return float(
        np.linalg.norm(clean.mean(axis=0, dtype=np.float64) - shifted.mean(axis=0, dtype=np.float64))
    )


def source_error(logits: Values, labels: Labels) -> float:
    """Return the share of images whose largest logit (N,K) is not the label's, in [0,1]."""
    return float((logits.argmax(axis=1) != labels).mean())


def source_loss(logits: Values, labels: Labels) -> float:
    """Return the mean cross-entropy of logits (N,K) and labels (N,), in nats."""
    return float(-log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels].mean())


def _vote_error(votes: Labels, labels: Labels) -> float:
    classes, compact = np.unique(votes, return_inverse=True)
    counts = np.zeros((len(votes), len(classes)), dtype=np.int64)
    np.add.at(counts, (np.arange(len(votes))[:, None], compact.reshape(votes.shape)), 1)
    return float((classes[counts.argmax(axis=1)] != labels).mean())
