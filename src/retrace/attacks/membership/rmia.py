"""RMIA: how often an example's likelihood ratio dominates that of population examples.

Source: Zarifzadeh, Liu and Shokri, Low-cost high-power membership inference attacks (ICML 2024).
All likelihoods come as logarithms, log p(label), so none underflows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Bools, Floats, as_bools, as_floats
from retrace.attacks.roc import auc

BLOCK = 1 << 20  # values held at once while averaging over reference models (8 MiB)
OFFSETS = tuple(round(0.1 * step, 1) for step in range(11))


def rmia_online(
    target: npt.ArrayLike,
    references: npt.ArrayLike,
    member: npt.ArrayLike,
    population: npt.ArrayLike,
    population_references: npt.ArrayLike,
    *,
    gamma: float = 2.0,
    a: float = 0.3,
) -> Floats:
    """Return the share of population examples z with r(x)/r(z) >= gamma, shape (N,), in [0,1].

    r(x) = p(x|target)/p(x), p(x) half the mean over IN plus half the mean over OUT references. `target`
    (N,), `references` (M,N), `population` (Z,), `population_references` (M,Z): log-probabilities of the
    label; `member` (M,N) bool. No model may have seen the population, whose p(z) is therefore corrected
    with `a` as in `rmia_offline`. AttackError when an example lacks an IN or OUT reference.
    """
    log_p, known, inside = _examples(target, references, member)
    lacking = int((~inside.any(axis=0)).sum())
    if lacking:
        raise AttackError(
            f"{lacking} examples have no reference that saw them; use rmia_offline or add models"
        )
    both = np.logaddexp(_log_mean(known, inside), _log_mean(known, ~inside)) - np.log(2)  # (N,)
    return _against_population(log_p - both, population, population_references, len(known), gamma, a)


def rmia_offline(
    target: npt.ArrayLike,
    references: npt.ArrayLike,
    population: npt.ArrayLike,
    population_references: npt.ArrayLike,
    *,
    member: npt.ArrayLike | None = None,
    gamma: float = 2.0,
    a: float = 0.3,
) -> Floats:
    """Return the share of population examples z with r(x)/r(z) >= gamma, shape (N,), from OUT models alone.

    p(x) = ((1+a) mean_OUT + (1-a)) / 2, since p_IN is taken as a p_OUT + 1 - a (0 <= a <= 1). Arguments as
    for `rmia_online`; `member` None: no reference has seen any example.
    """
    log_p, known, inside = _examples(target, references, member)
    corrected = _corrected(_log_mean(known, ~inside), a)  # (N,)
    return _against_population(log_p - corrected, population, population_references, len(known), gamma, a)


def dominated_share(examples: npt.ArrayLike, population: npt.ArrayLike, gamma: float) -> Floats:
    """Return the share of z with log r(x) - log r(z) >= log(gamma), shape (N,), for log ratios (N,) and (Z,).

    One sort and a binary search an example: no N x Z matrix. AttackError when gamma is not positive.
    """
    x = as_floats(examples, "examples", (None,))  # (N,)
    z = as_floats(population, "population", (None,))  # (Z,)
    if not len(z):
        raise AttackError("RMIA needs a population of non-members; got none")
    if not gamma > 0:
        raise AttackError(f"gamma must be positive (the paper uses 1 or more); got {gamma:g}")
    dominated: Floats = np.searchsorted(np.sort(z), x - np.log(gamma), side="right") / len(z)
    return dominated


def tune_a(
    references: npt.ArrayLike,
    member: npt.ArrayLike,
    population_references: npt.ArrayLike,
    *,
    gamma: float = 2.0,
    offsets: Sequence[float] = OFFSETS,
) -> float:
    """Return the `a` with the highest mean AUC when each reference is attacked with the others.

    `references` (M,N), `member` (M,N), `population_references` (M,Z) as in `rmia_offline`; the target is
    not used. Ties go to the smaller `a`. AttackError with fewer than two references.
    """
    known = _log_probabilities(references, "references", (None, None))  # (M,N)
    inside = as_bools(member, "member", known.shape)
    z = _log_probabilities(population_references, "population_references", (len(known), None))
    if len(known) < 2:
        raise AttackError("tuning a needs at least two references, each attacked with the others")
    others = [np.delete(np.arange(len(known)), k) for k in range(len(known))]
    means = [(_log_mean(known[o], ~inside[o]), _log_mean(z[o], np.ones_like(z[o], np.bool_))) for o in others]

    def reached(a: float) -> float:
        scores = [
            dominated_share(known[k] - _corrected(x, a), z[k] - _corrected(p, a), gamma)
            for k, (x, p) in enumerate(means)
        ]
        return float(np.mean([auc(score, inside[k]) for k, score in enumerate(scores)]))

    return max(sorted(offsets), key=reached)


def _examples(
    target: npt.ArrayLike, references: npt.ArrayLike, member: npt.ArrayLike | None
) -> tuple[Floats, Floats, Bools]:
    log_p = _log_probabilities(target, "target", (None,))  # (N,)
    known = _log_probabilities(references, "references", (None, len(log_p)))  # (M,N)
    inside = np.zeros(known.shape, np.bool_) if member is None else as_bools(member, "member", known.shape)
    return log_p, known, inside


def _against_population(
    log_ratio: Floats,
    population: npt.ArrayLike,
    population_references: npt.ArrayLike,
    models: int,
    gamma: float,
    a: float,
) -> Floats:
    log_p = _log_probabilities(population, "population", (None,))  # (Z,)
    known = _log_probabilities(population_references, "population_references", (models, len(log_p)))
    mean = _log_mean(known, np.ones(known.shape, np.bool_))  # (Z,)
    return dominated_share(log_ratio, log_p - _corrected(mean, a), gamma)


def _log_probabilities(values: npt.ArrayLike, name: str, shape: tuple[int | None, ...]) -> Floats:
    array = as_floats(values, name, shape)
    if array.max(initial=0.0) > 1e-9:
        raise AttackError(f"{name}: RMIA takes log-probabilities, at most 0; got {array.max():.3g}")
    return array


def _corrected(log_mean_out: Floats, a: float) -> Floats:
    if not 0 <= a <= 1:
        raise AttackError(f"the offline correction a lies in [0, 1]; got {a:g}")
    offset = np.log1p(-a) if a < 1 else -np.inf
    corrected: Floats = np.logaddexp(np.log1p(a) + log_mean_out, offset) - np.log(2)
    return corrected


def _log_mean(known: Floats, chosen: Bools) -> Floats:
    """Logarithm of the mean probability (n,) over the chosen models of (M,n), block by block."""
    counts = chosen.sum(axis=0)  # (n,)
    lacking = int((counts == 0).sum())
    if lacking:
        raise AttackError(f"{lacking} examples have no reference that left them out; add reference models")
    found = np.empty(known.shape[1])
    width = max(1, BLOCK // max(1, len(known)))
    for start in range(0, known.shape[1], width):
        part = slice(start, start + width)
        values = np.where(chosen[:, part], known[:, part], -np.inf)  # (M,b), b of a block
        top = values.max(axis=0)  # (b,)
        found[part] = top + np.log(np.exp(values - top).sum(axis=0) / counts[part])
    return found
