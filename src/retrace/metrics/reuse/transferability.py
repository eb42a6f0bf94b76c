"""Transferability estimators and trivial rivals, from features, logits and labels alone."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.neighbors import NearestNeighbors

from retrace.metrics.reuse.clustering import Labels, Values, class_means
from retrace.metrics.reuse.histograms import Floats


def knn_error(features: Values, labels: Labels, neighbours: int = 5) -> float:
    """Return the leave-one-out error of the k nearest neighbours (Euclidean) on features (N,D), in [0,1].

    A tied vote goes to the lower label. Raises ValueError with fewer than k+1 images.
    """
    _check(features, labels)
    if len(features) <= neighbours:
        raise ValueError(f"{len(features)} images are too few for {neighbours} neighbours; give more images")
    found = NearestNeighbors(n_neighbors=neighbours).fit(features).kneighbors(return_distance=False)
    return _vote_error(np.asarray(labels)[found], labels)


def knn_clean_error(
    clean: Values, clean_labels: Labels, features: Values, labels: Labels, k: int = 5
) -> float:
    """Return the error on features (N,D) of the k nearest of the clean features (M,D), in [0,1]."""
    _check(features, labels)
    if len(clean) < k:
        raise ValueError(f"{len(clean)} clean images are too few for {k} neighbours; give more images")
    found = NearestNeighbors(n_neighbors=k).fit(clean).kneighbors(features, return_distance=False)
    return _vote_error(np.asarray(clean_labels)[found], labels)


def ncm_error(features: Values, labels: Labels) -> float:
    """Return the error of the nearest class mean on the features (N,D) the means come from, in [0,1]."""
    _check(features, labels)
    found, compact = np.unique(labels, return_inverse=True)
    means = class_means(features.astype(np.float64), labels)
    scores = np.square(means).sum(axis=1) - 2 * (features @ means.T)
    return float((scores.argmin(axis=1) != compact).mean()) if len(found) > 1 else 0.0


def h_score(features: Values, labels: Labels) -> float:
    """Return the shrinkage H-score of features (N,D): tr(S_a^-1 (1-a) S_between), larger = easier.

    S_a is the Ledoit-Wolf covariance with shrinkage a; S_between the covariance of the class means.
    Source: Bao et al. (ICIP 2019) with the regularisation of Ibrahim et al. (arXiv 2110.06893).
    """
    _check(features, labels)
    values = features.astype(np.float64)
    values -= values.mean(axis=0)
    rows, columns = values.shape
    power, explained = _spectrum(values, labels)
    power /= rows
    shrinkage = _ledoit_wolf(power, np.square(values).sum(axis=1), columns)
    # class means lie in the span of the data, so the inverse is needed along its singular vectors only
    shrunk = (1 - shrinkage) * power + shrinkage * power.sum() / columns
    between = power * (explained / np.unique(labels, return_counts=True)[1]).sum(axis=1)
    used = shrunk > shrunk.max(initial=0.0) * 1e-12
    return float((1 - shrinkage) * (between[used] / shrunk[used]).sum())


def _ledoit_wolf(power: Floats, squares: Floats, columns: int) -> float:
    """Return the shrinkage of Ledoit and Wolf (2004) for centred rows (N,D), in [0,1].

    From the eigenvalues `power` of their covariance and the squared length of each row, (N,): of the fourth
    moments it needs the total alone.
    """
    whole = float(np.square(power).sum())
    apart = whole - float(power.sum()) ** 2 / columns
    noise = (float(np.square(squares).mean()) - whole) / len(squares)
    return min(noise / apart, 1.0) if noise > 0 and apart > 0 else 0.0


def log_me(features: Values, labels: Labels, iterations: int = 50) -> float:
    """Return LogME of features (N,D): the mean over classes of the log evidence per image, larger = easier.

    Bayesian linear regression of each class indicator, its two precisions found by fixed-point iteration
    on the spectrum, all classes at once. Source: You et al., LogME (ICML 2021), equations 2-5, algorithm 3.
    """
    _check(features, labels)
    rows, columns = features.shape
    power, explained = _spectrum(features.astype(np.float64), labels)
    counts = np.unique(labels, return_counts=True)[1].astype(np.float64)
    outside = np.maximum(counts - explained.sum(axis=0), 0.0)
    alpha, beta = np.ones((2, len(counts)))
    going = np.arange(len(counts))
    for _ in range(iterations):
        terms = _Terms(alpha[going], beta[going], power, explained[:, going], outside[going])
        previous = alpha[going] / beta[going]
        alpha[going] = np.maximum(terms.effective / np.maximum(terms.weight, 1e-12), 1e-12)
        beta[going] = (rows - terms.effective) / np.maximum(terms.residual, 1e-12)
        going = going[np.abs(alpha[going] / beta[going] - previous) > 1e-5 * previous]
        if not len(going):
            break
    terms = _Terms(alpha, beta, power, explained, outside)
    logdet = np.log(terms.shrunk).sum(axis=0) + (columns - len(power)) * np.log(alpha)
    total = columns * np.log(alpha) + rows * np.log(beta / (2 * np.pi))
    return float((total - beta * terms.residual - alpha * terms.weight - logdet).mean() / (2 * rows))


class _Terms:
    """The sums of LogME's equations for K classes at precisions alpha, beta (K,); see `_spectrum`."""

    def __init__(
        self, alpha: Floats, beta: Floats, power: Floats, explained: Floats, outside: Floats
    ) -> None:
        self.shrunk = alpha + np.outer(power, beta)
        share = explained / np.square(self.shrunk)
        self.weight = np.square(beta) * (power @ share)
        self.residual = np.square(alpha) * share.sum(axis=0) + outside
        self.effective = beta * (power @ (1 / self.shrunk))


def _spectrum(values: Floats, labels: Labels) -> tuple[Floats, Floats]:
    """Return the squared singular values of (N,D), (R,), and how much of each class they explain, (R,K).

    That is the squared product of each left singular vector with each class's indicator. Both come from
    the smaller of the two Gram matrices, which is much cheaper than a singular value decomposition;
    a direction whose square is lost to rounding there counts as absent. R = min(N, D), float64.
    """
    rows, columns = values.shape
    compact = np.unique(labels, return_inverse=True)[1]
    member = np.zeros((int(compact.max()) + 1, rows))
    member[compact, np.arange(rows)] = 1.0
    if columns <= rows:
        power, vectors = np.linalg.eigh(values.T @ values)
        explained = np.square(vectors.T @ (member @ values).T)
    else:
        power, vectors = np.linalg.eigh(values @ values.T)
        explained = np.square(vectors.T @ member.T)
    lost = power <= power[-1] * len(power) * np.finfo(np.float64).eps
    power[lost] = explained[lost] = 0.0
    if columns <= rows:
        explained[~lost] /= power[~lost, None]
    return power, explained


def leep(logits: Values, labels: Labels) -> float:
    """Return LEEP of source logits (N,Z) for labels (N,): a mean log-likelihood <= 0, larger = easier.

    Source: Nguyen et al., LEEP (ICML 2020), equations 1-2.
    """
    _check(logits, labels)
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
    _check(logits, labels)
    return float((logits.argmax(axis=1) != labels).mean())


def source_loss(logits: Values, labels: Labels) -> float:
    """Return the mean cross-entropy of logits (N,K) and labels (N,), in nats."""
    _check(logits, labels)
    return float(-log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels].mean())


def _check(values: Values, labels: Labels) -> None:
    """Raise ValueError, one line, unless each row of (N,D) is finite and has its label."""
    if values.ndim != 2 or not values.size or labels.shape != values.shape[:1]:
        shapes = f"values of shape {values.shape} and labels of shape {labels.shape}"
        raise ValueError(f"{shapes} do not fit; give a row of values and one label for each image")
    if not np.isfinite(values).all():
        raise ValueError("a row holds values that are not finite; check the network")


def _vote_error(votes: Labels, labels: Labels) -> float:
    classes, compact = np.unique(votes, return_inverse=True)
    counts = np.zeros((len(votes), len(classes)), dtype=np.int64)
    np.add.at(counts, (np.arange(len(votes))[:, None], compact.reshape(votes.shape)), 1)
    return float((classes[counts.argmax(axis=1)] != labels).mean())
