"""Signals a model gives off about one example, in float64 from logits; none overflows or needs clipping.

Logits have shape (..., C) with C >= 2 classes and labels the leading shape or one that broadcasts to it;
a defence that rewrites probabilities passes their logarithms as logits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, logsumexp

from retrace.attacks.arrays import AttackError, Floats, Ints, as_array, as_numbers


def loss(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Floats:
    """Return the cross-entropy -log p_y in nats, shape (...); members tend to be low."""
    nats: Floats = np.logaddexp(0.0, -logit_scaled_confidence(logits, labels))
    return nats


def confidence(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Floats:
    """Return the probability p_y of the labelled class, shape (...), in [0,1]; members tend to be high."""
    return np.exp(-loss(logits, labels))


def logit_scaled_confidence(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Floats:
    """Return phi = log(p_y / (1 - p_y)) = z_y - logsumexp of the other logits, shape (...).

    Source: Carlini et al., Membership inference attacks from first principles (S&P 2022).
    """
    z, y = _prepared(logits, labels)
    rest: Floats = logsumexp(_without(z, y), axis=-1)
    return _at(z, y) - rest


def entropy(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Floats:
    """Return the prediction's entropy in nats, shape (...); members tend to be low (labels are not used)."""
    z, _ = _prepared(logits, labels)
    log_p, _ = _log_probabilities(z)
    total: Floats = -(np.exp(log_p) * log_p).sum(axis=-1)
    return total


def modified_entropy(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Floats:
    """Return -(1-p_y) log p_y - sum over c != y of p_c log(1-p_c), shape (...); members tend to be low.

    Source: Song and Mittal, Systematic evaluation of privacy risks (USENIX Security 2021).
    """
    z, y = _prepared(logits, labels)
    log_p, log_rest = _log_probabilities(z)
    terms = np.exp(log_p) * log_rest
    np.put_along_axis(terms, y[..., None], (np.exp(_at(log_rest, y)) * _at(log_p, y))[..., None], axis=-1)
    total: Floats = -terms.sum(axis=-1)
    return total


def correctness(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Floats:
    """Return 1 where the largest logit is the label's, else 0, shape (...) (the gap attack of Yeom 2018)."""
    z, y = _prepared(logits, labels)
    right: Floats = (z.argmax(axis=-1) == y).astype(np.float64)
    return right


def hinge(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Floats:
    """Return the margin z_y - max of the other logits, shape (...); members tend to be high."""
    z, y = _prepared(logits, labels)
    best: Floats = _without(z, y).max(axis=-1)
    return _at(z, y) - best


def label_rank(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Floats:
    """Return how many other classes have a larger logit, equal ones half, shape (...); members are low.

    All that is left of an output of which only the order is let out (HAMP's).
    """
    z, y = _prepared(logits, labels)
    own = _at(z, y)[..., None]
    above: Floats = (z > own).sum(axis=-1) + ((z == own).sum(axis=-1) - 1) / 2
    return above


SIGNALS: dict[str, tuple[Callable[[npt.ArrayLike, npt.ArrayLike], Floats], int]] = {
    "loss": (loss, -1),
    "confidence": (confidence, 1),
    "phi": (logit_scaled_confidence, 1),
    "entropy": (entropy, -1),
    "modified_entropy": (modified_entropy, -1),
    "correctness": (correctness, 1),
    "hinge": (hinge, 1),
    "rank": (label_rank, -1),
}


def member_high(name: str, logits: npt.ArrayLike, labels: npt.ArrayLike) -> Floats:
    """Return the named signal, its sign turned so that members are expected to be high, shape (...)."""
    if name not in SIGNALS:
        raise AttackError(f"signal {name!r} is not known; choose one of {', '.join(SIGNALS)}")
    function, sign = SIGNALS[name]
    return sign * function(logits, labels)


def split_label(logits: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return the label's logit, shape (...), and those of the other classes, (...,C-1)."""
    z, y = _prepared(logits, labels)
    kept = np.arange(z.shape[-1]) != y[..., None]
    return _at(z, y), z[kept].reshape(*z.shape[:-1], -1)


def _prepared(logits: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Floats, Ints]:
    z: Floats = as_numbers(logits, "logits")
    y = as_array(labels, "labels")
    if z.ndim < 1 or z.shape[-1] < 2:
        raise AttackError(f"logits need a last axis of at least 2 classes; got shape {z.shape}")
    if not np.isfinite(z).all():
        raise AttackError("logits hold values that are not finite; store them in float32 or clip them first")
    if not np.issubdtype(y.dtype, np.integer):
        raise AttackError(f"labels are integers from 0; got {y.dtype}")
    if y.size and not 0 <= y.min() <= y.max() < z.shape[-1]:
        raise AttackError(f"labels run from 0 to {z.shape[-1] - 1}; got {y.min()} to {y.max()}")
    try:
        wide = np.broadcast_to(y, z.shape[:-1])
    except ValueError:
        raise AttackError(f"labels of shape {y.shape} do not fit logits of shape {z.shape}") from None
    return z, wide.astype(np.int64)


def _log_probabilities(z: Floats) -> tuple[Floats, Floats]:
    """Return log p and log(1 - p), shape (...,C), precise where p rounds to 0 or to 1."""
    log_p: Floats = log_softmax(z, axis=-1)
    # only the top class can exceed 1/2 and lose digits, so its two logarithms come from the others
    top = z.argmax(axis=-1)[..., None]
    others: Floats = logsumexp(_without(log_p, top[..., 0]), axis=-1)[..., None]
    small = np.exp(log_p)
    np.put_along_axis(small, top, 0.0, axis=-1)
    log_rest = np.log1p(-small)
    np.put_along_axis(log_rest, top, others, axis=-1)
    np.put_along_axis(log_p, top, np.log1p(-np.exp(others)), axis=-1)
    return log_p, log_rest


def _at(values: Floats, index: Ints) -> Floats:
    return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]


def _without(values: Floats, index: Ints) -> Floats:
    rest = values.copy()
    np.put_along_axis(rest, index[..., None], -np.inf, axis=-1)
    return rest
