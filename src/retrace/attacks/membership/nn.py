"""NN shadow attack: a small network learns on shadow models to tell members from non-members."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from retrace.attacks.arrays import AttackError, Floats, Ints, as_array, as_bools, as_labels

Features = Literal["posterior+label", "sorted"]
Solver = Literal["adam", "sgd"]
RATES = {"adam": 0.001, "sgd": 0.01}


def nn_attack(
    targets: npt.ArrayLike,
    shadows: npt.ArrayLike,
    member: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    features: Features = "posterior+label",
    hidden: tuple[int, ...] = (64,),
    epochs: int = 30,
    solver: Solver = "adam",
    most_rows: int = 20_000,
    seed: int = 0,
) -> Floats:
    """Return the network's membership probability, shape (N,) for targets (N,C) and (T,N) for (T,N,C).

    `targets`: logits of the models attacked; `shadows` (S,N,C): logits of shadow models trained on the
    members `member` (S,N); `labels` (N,). One network learns from all shadow outputs (a seeded draw of
    `most_rows` when there are more). "posterior+label" gives it the posterior and the one-hot label,
    "sorted" the sorted posterior alone. `solver`: adam at 0.001, or sgd at 0.01 with momentum 0.9. The same
    seed gives the same scores. AttackError on bad shapes.
    Source: Shokri et al., Membership inference attacks against machine learning models (S&P 2017).
    """
    z, known = as_array(targets, "targets"), as_array(shadows, "shadows")
    if known.ndim != 3 or z.ndim not in (2, 3) or z.shape[-2:] != known.shape[1:]:
        raise AttackError(f"targets {z.shape} and shadows {known.shape} do not fit; give (T,N,C) and (S,N,C)")
    for name, values in (("targets", z), ("shadows", known)):
        if not values.size or not np.isfinite(values).all():
            raise AttackError(f"{name}: finite logits of one model or more; clip them or store float32")
    if epochs < 1 or not hidden or min(hidden) < 1:
        raise AttackError(f"the NN attack takes epochs and hidden sizes from 1; got {epochs} and {hidden}")
    inside = as_bools(member, "member", known.shape[:2])
    y = as_labels(labels, "labels", known.shape[1], known.shape[2])
    if features not in ("posterior+label", "sorted"):
        raise AttackError(f"features {features!r} is not known; choose posterior+label or sorted")
    if solver not in RATES:
        raise AttackError(f"solver {solver!r} is not known; choose adam or sgd")
    if inside.all() or not inside.any():
        raise AttackError("the shadows need both members and non-members to learn from")
    rows = np.arange(inside.size)
    if inside.size > most_rows:
        rows = np.sort(np.random.default_rng(seed).choice(inside.size, most_rows, replace=False))
    model, point = np.divmod(rows, known.shape[1])
    network = MLPClassifier(
        hidden,
        solver=solver,
        learning_rate_init=RATES[solver],
        batch_size=min(256, len(rows)),
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(_features(known[model, point], y[point], features), inside[model, point])
    flat = z.reshape(-1, z.shape[-1])
    repeated = np.broadcast_to(y, z.shape[:-1]).reshape(-1)
    scores: Floats = network.predict_proba(_features(flat, repeated, features))[:, 1]
    return scores.reshape(z.shape[:-1])


def _features(logits: npt.NDArray[np.floating], labels: Ints, features: Features) -> Floats:
    posterior: Floats = softmax(logits.astype(np.float64), axis=-1)
    if features == "sorted":
        return np.sort(posterior, axis=-1)[:, ::-1]
    return np.hstack([posterior, np.eye(posterior.shape[-1])[labels]])
