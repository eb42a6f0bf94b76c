"""Label-only attacks: the model gives nothing but its predicted label, so ask it around the example.

Sources: Choquette-Choo et al., Label-only membership inference attacks (ICML 2021), for the attack by noise;
Ford et al. (ICML 2019) for reading a distance from it. Give the distances of target and references to
`lira` (variance "fixed") to calibrate them by example, or to `threshold_attack`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from retrace.attacks.arrays import AttackError, Floats, Ints, as_labels


def right_copies(predicted: npt.ArrayLike, labels: npt.ArrayLike) -> Ints:
    """Return at how many of the Q queries the predicted label is right, (...,N) for (...,N,Q); members high.

    `predicted`: integer labels that the model gives at altered copies of the N examples (`queries`);
    `labels` (N,). With one query, the example itself, this is the gap attack (`correctness`).
    """
    asked = np.asarray(predicted)
    if asked.ndim < 2 or not asked.shape[-1]:
        raise AttackError(f"predicted: the shape must be (...,N,Q) with a query or more; got {asked.shape}")
    flat = as_labels(asked.ravel(), "predicted", asked.size).reshape(asked.shape)
    wanted = as_labels(labels, "labels", asked.shape[-2])
    right: Ints = (flat == wanted[:, None]).sum(axis=-1)
    return right


def noise_distance(right: npt.ArrayLike, copies: int, sigma: npt.ArrayLike = 1.0) -> Floats:
    """Return the distance from the decision boundary that so many right answers suggest, shape of `right`.

    `right`: of `copies` queries with Gaussian noise of standard deviation `sigma` (a number, or one for each
    entry of the last axis). sigma * Phi^-1(share), exact for a flat boundary; the share counts half a right
    and half a wrong answer more, so that none and all stay finite. Negative where most answers are wrong.
    """
    count, scale = np.asarray(right), np.asarray(sigma, dtype=np.float64)
    if copies < 1 or not np.issubdtype(count.dtype, np.integer):
        raise AttackError(f"right: whole numbers out of copies >= 1; got {count.dtype} and {copies} copies")
    if count.size and not 0 <= count.min() <= count.max() <= copies:
        raise AttackError(f"right: 0 to {copies} of {copies} copies; got {count.min()} to {count.max()}")
    if not (scale > 0).all() or scale.ndim > 1 or (scale.ndim and scale.shape != count.shape[-1:]):
        raise AttackError(f"sigma: positive, one or one for each of the last axis; got shape {scale.shape}")
    distance: Floats = scale * ndtri((count + 0.5) / (copies + 1))
    return distance
