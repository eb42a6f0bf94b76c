"""RMIA: how often an example's likelihood ratio dominates that of population examples.

Source: Zarifzadeh, Liu and Shokri, Low-cost high-power membership inference attacks (ICML 2024).
All likelihoods come as logarithms, log p(label), so none underflows; `likelihoods` makes them from logits,
at a temperature. Arrays may end in an axis of Q queries (augmentations), over which log r is averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Bools, Floats, as_array, as_bools, as_floats
from retrace.attacks.roc import auc

Ties = Literal["broken", "kept"]
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
    ties: Ties = "broken",
) -> Floats:
    """Return the share of population examples z with r(x)/r(z) >= gamma, shape (N,), in [0,1].

    r(x) = p(x|target)/p(x), p(x) half the mean over IN plus half the mean over OUT references. `target` (N,)
    or (N,Q), `references` (M,N) or (M,N,Q), `population` (Z,) or (Z,Q'), `population_references` likewise:
    log-probabilities of the label; `member` (M,N) bool. No model may have seen the population, whose p(z)
    is therefore corrected with `a` as in `rmia_offline`. `ties`: a share of Z examples has Z + 1 values;
    "broken" orders equal ones by r(x) (`ordered_share`), "kept" returns the share itself.
    AttackError when an example lacks an IN or OUT reference.
    """
    log_p, known, inside = _examples(target, references, member)
    lacking = int((~inside.any(axis=0)).sum())
    if lacking:
        raise AttackError(
            f"{lacking} examples have no reference that saw them; use rmia_offline or add models"
        )
    both = np.logaddexp(_log_mean(known, inside), _log_mean(known, ~inside)) - np.log(2)  # (N,Q)
    ratio = (log_p - both).mean(-1)  # (N,)
    return _against_population(ratio, population, population_references, len(known), gamma, a, ties)


def rmia_offline(
    target: npt.ArrayLike,
    references: npt.ArrayLike,
    population: npt.ArrayLike,
    population_references: npt.ArrayLike,
    *,
    member: npt.ArrayLike | None = None,
    gamma: float = 2.0,
    a: float = 0.3,
    ties: Ties = "broken",
) -> Floats:
    """Return the share of population examples z with r(x)/r(z) >= gamma, shape (N,), from OUT models alone.

    p(x) = ((1+a) mean_OUT + (1-a)) / 2, since p_IN is taken as a p_OUT + 1 - a (0 <= a <= 1). Arguments as
    for `rmia_online`; `member` None: no reference has seen any example.
    """
    log_p, known, inside = _examples(target, references, member)
    corrected = _corrected(_log_mean(known, ~inside), a)  # (N,Q)
    ratio = (log_p - corrected).mean(-1)
    return _against_population(ratio, population, population_references, len(known), gamma, a, ties)


def dominated_share(examples: npt.ArrayLike, population: npt.ArrayLike, gamma: float) -> Floats:
    """Return the share of z with log r(x) - log r(z) >= log(gamma), shape (N,), for log ratios (N,) and (Z,).

    One sort and a binary search an example: no N x Z matrix. AttackError when gamma is not positive.
    """
    _, z, count = _dominated(examples, population, gamma)
    share: Floats = count / len(z)
    return share


def ordered_share(examples: npt.ArrayLike, population: npt.ArrayLike, gamma: float) -> Floats:
    """Return what ranks as `dominated_share` does, equal shares by log r(x), shape (N,), in (0,1).

    (count + f) / (Z + 1): f in [0,1) says how far log r(x) is on its way from the last dominated population
    ratio to the next, along a straight line, and beyond the outermost along d / (1 + d), d the distance.
    """
    x, z, count = _dominated(examples, population, gamma)
    low, high = z[np.maximum(count - 1, 0)], z[np.minimum(count, len(z) - 1)]
    below, above = count == 0, count == len(z)
    between = (x - low) / np.where(below | above, 1.0, high - low)
    away = np.where(below, z[0] - x, x - z[-1])
    outside = np.where(below, 1.0, away) / (1 + np.abs(away))
    ordered: Floats = (count + np.where(below | above, outside, between)) / (len(z) + 1)
    return ordered


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
    not used. Ties go to the smaller `a`. AttackError with fewer than two references or without offsets.
    """
    known = _log_probabilities(references, "references", (None, None))  # (M,N)
    inside = as_bools(member, "member", known.shape)
    z = _log_probabilities(population_references, "population_references", (len(known), None))
    if len(known) < 2:
        raise AttackError("tuning a needs at least two references, each attacked with the others")
    if not len(offsets):
        raise AttackError("tuning a needs values of a to try; got no offsets")
    others = [np.delete(np.arange(len(known)), k) for k in range(len(known))]
    means = [(_log_mean(known[o], ~inside[o]), _log_mean(z[o], np.ones_like(z[o], np.bool_))) for o in others]

    def reached(a: float) -> float:
        scores = [
            ordered_share(known[k] - _corrected(x, a), z[k] - _corrected(p, a), gamma)
            for k, (x, p) in enumerate(means)
        ]
        return float(np.mean([auc(score, inside[k]) for k, score in enumerate(scores)]))

    return max(sorted(offsets), key=reached)


def _examples(
    target: npt.ArrayLike, references: npt.ArrayLike, member: npt.ArrayLike | None
) -> tuple[Floats, Floats, Bools]:
    """Log-probabilities (N,Q) and (M,N,Q), membership (M,N)."""
    log_p, known = _with_queries(target, references, "target", "references")
    shape = known.shape[:2]
    inside = np.zeros(shape, np.bool_) if member is None else as_bools(member, "member", shape)
    return log_p, known, inside


def _with_queries(
    own: npt.ArrayLike, others: npt.ArrayLike, own_name: str, others_name: str, models: int | None = None
) -> tuple[Floats, Floats]:
    """(n,Q) and (M,n,Q), with Q = 1 for (n,) and (M,n)."""
    own = as_array(own, own_name)
    if own.ndim not in (1, 2):
        raise AttackError(f"{own_name}: the shape must be (n,) or (n,queries); got {own.shape}")
    log_p = _log_probabilities(own, own_name, (None,) * own.ndim)
    known = _log_probabilities(others, others_name, (models, *log_p.shape))
    return log_p.reshape(len(log_p), -1), known.reshape(*known.shape[:2], -1)


def _against_population(
    log_ratio: Floats,
    population: npt.ArrayLike,
    population_references: npt.ArrayLike,
    models: int,
    gamma: float,
    a: float,
    ties: Ties,
) -> Floats:
    if ties not in ("broken", "kept"):
        raise AttackError(f"ties {ties!r} is not known; choose broken or kept")
    population = as_array(population, "population")
    if not population.size:
        raise AttackError("RMIA needs a population of non-members; got none")
    log_p, known = _with_queries(
        population, population_references, "population", "population_references", models
    )
    mean = _log_mean(known, np.ones(known.shape[:2], np.bool_))  # (Z,Q)
    share = ordered_share if ties == "broken" else dominated_share
    return share(log_ratio, (log_p - _corrected(mean, a)).mean(-1), gamma)


def _dominated(
    examples: npt.ArrayLike, population: npt.ArrayLike, gamma: float
) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    """Log r(x) - log gamma (N,), log r(z) sorted (Z,), and how many of these each of those reaches (N,)."""
    if not np.size(population):
        raise AttackError("RMIA needs a population of non-members; got none")
    x = as_floats(examples, "examples", (None,))
    z = as_floats(population, "population", (None,))
    if not gamma > 0:
        raise AttackError(f"gamma must be positive (the paper uses 1 or more); got {gamma:g}")
    reach, ranked = x - np.log(gamma), np.sort(z)
    return reach, ranked, np.searchsorted(ranked, reach, side="right")


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
    """Logarithm of the mean probability over the chosen models (M,n): (n,) of (M,n), (n,Q) of (M,n,Q)."""
    counts = chosen.sum(axis=0)  # (n,)
    lacking = int((counts == 0).sum())
    if lacking:
        raise AttackError(f"{lacking} examples have no reference that left them out; add reference models")
    deep = (1,) * (known.ndim - 2)
    found = np.empty(known.shape[1:])
    width = max(1, BLOCK * known.shape[1] // max(1, known.size))
    for start in range(0, known.shape[1], width):
        part = slice(start, start + width)
        picked = chosen[:, part]
        values = np.where(picked.reshape(*picked.shape, *deep), known[:, part], -np.inf)  # (M,b) or (M,b,Q)
        top = values.max(axis=0)
        total = np.exp(values - top).sum(axis=0)
        found[part] = top + np.log(total / counts[part].reshape(-1, *deep))
    return found
