"""LiRA: the likelihood-ratio attack from shadow models trained with and without each example."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

from retrace.attacks.arrays import AttackError, Bools, Floats, as_array, as_bools, as_floats

Variance = Literal["auto", "fixed", "per-example"]
# Carlini et al. (S&P 2022) find one variance for all examples better below about 64 models
FEW_MODELS = 32
FLOOR = 1e-12  # keeps the density finite where all models agree


def lira(
    target: npt.ArrayLike,
    references: npt.ArrayLike,
    member: npt.ArrayLike,
    *,
    online: bool = True,
    variance: Variance = "auto",
) -> Floats:
    """Return the LiRA score of each example, shape (N,), higher = member.

    `target` (N,) or (N,Q): logit-scaled confidence phi at Q queries (augmentations); `references` (M,N) or
    (M,N,Q): the same from reference models; `member` (M,N): which of them has seen which example.
    Online: log N(phi; mean_in, var_in) - log N(phi; mean_out, var_out). Offline, from OUT models alone:
    -log P(Z > phi) with Z ~ N(mean_out, var_out), which ranks as the paper's P(Z <= phi) does and does
    not round to 1 far above the mean. Queries are averaged (Gaussians with diagonal covariance).
    `variance`: "fixed" is one for all examples, "per-example" its own, "auto" takes the latter from 32 IN
    and 32 OUT models on. Variances are maximum-likelihood ones, so an example needs two models a side,
    for a fixed variance on average (AttackError otherwise): about the mean of one model there is no spread.
    Source: Carlini et al., Membership inference attacks from first principles (S&P 2022), algorithm 1.
    """
    phi, known, inside = _checked(target, references, member)  # (N,Q), (M,N,Q), (M,N)
    if variance not in ("auto", "fixed", "per-example"):
        raise AttackError(f"variance {variance!r} is not known; choose auto, fixed or per-example")
    counts = [(~inside).sum(axis=0), inside.sum(axis=0)][: 2 if online else 1]
    fewest = int(min(count.min() for count in counts))
    own = variance == "per-example" or (variance == "auto" and fewest >= FEW_MODELS)
    # of one model there is a mean and no spread; a pooled one bears a few such examples
    if fewest < (2 if own else 1) or min(float(count.mean()) for count in counts) < 2:
        raise AttackError(
            f"LiRA ({'online' if online else 'offline'}, {'per-example' if own else 'fixed'} variance) needs "
            f"2 reference models {'with and without' if online else 'without'} each example"
            f"{'' if own else ' (on average)'}; one has {fewest}; add reference models, or use "
            "difficulty_calibration"
        )
    mean, spread = _moments(known, ~inside, own)  # (N,Q), and (N,Q) or (Q,)
    if not online:
        ratios: Floats = -log_ndtr((mean - phi) / np.sqrt(spread))  # (N,Q)
    else:
        ratios = _log_density(phi, *_moments(known, inside, own)) - _log_density(phi, mean, spread)
    score: Floats = ratios.mean(axis=-1)  # (N,)
    return score


def _moments(known: Floats, chosen: Bools, own: bool) -> tuple[Floats, Floats]:
    """Mean (N,Q) and variance, (N,Q) if `own` else (Q,), over the chosen models."""
    weights = chosen.astype(np.float64)  # (M,N)
    counts = weights.sum(axis=0)[:, None]  # (N,1)
    mean = np.einsum("mn,mnq->nq", weights, known) / counts  # (N,Q)
    apart = known - mean  # (M,N,Q)
    squares = np.einsum("mn,mnq,mnq->nq", weights, apart, apart)  # (N,Q)
    spread = squares / counts if own else squares.sum(axis=0) / counts.sum()
    return mean, np.maximum(spread, FLOOR)


def _log_density(phi: Floats, mean: Floats, spread: Floats) -> Floats:
    density: Floats = -0.5 * (np.log(2 * np.pi * spread) + (phi - mean) ** 2 / spread)
    return density


def _checked(
    target: npt.ArrayLike, references: npt.ArrayLike, member: npt.ArrayLike
) -> tuple[Floats, Floats, Bools]:
    target = as_array(target, "target")
    queries = target.ndim - 1
    if queries not in (0, 1):
        raise AttackError(f"target: the shape must be (N,) or (N,Q); got {target.shape}")
    phi = as_floats(target, "target", (None,) * (1 + queries))
    known = as_floats(references, "references", (None, *phi.shape))
    inside = as_bools(member, "member", known.shape[:2])
    return phi.reshape(len(phi), -1), known.reshape(*known.shape[:2], -1), inside
