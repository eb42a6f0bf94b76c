"""The loss attack, with a reference model, and CLiD's difference: errors at noise that all models share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Floats, as_floats
from retrace.attacks.diffusion.noise import Alpha, Predict, moved, squared


def noise_errors(predict: Predict, alpha: Alpha, x: Any, noises: Any, steps: Sequence[int]) -> list[Any]:
    """Squared error of the noise predicted for images x (N,C,H,W), one (N,) a step.

    `noises` (K,C,H,W): one a step, the same for all images and models, so that differences between models
    are paired. AttackError where noises and steps differ in number.
    """
    if len(noises) != len(steps):
        raise AttackError(f"{len(noises)} noises for {len(steps)} steps: draw one a step")
    found = []
    for noise, t in zip(noises, steps, strict=True):
        drawn = noise[None] + 0 * x
        found.append(squared(predict(moved(x, drawn, alpha(t)), t) - drawn))
    return found


def loss_scores(errors: npt.ArrayLike) -> Floats:
    """Minus the mean error over steps, from errors (K,N). Source: Matsumoto, Miura and Yanai (2023)."""
    scores: Floats = -as_floats(errors, "errors", (None, None)).mean(0)
    return scores


def calibrated_scores(errors: npt.ArrayLike, reference: npt.ArrayLike) -> Floats:
    """Log of the reference model's mean error over the target's, from errors (K,N) of both.

    The reference was trained without any of the images. With one reference model RMIA's likelihood ratio
    orders images of a domain in the same way, and so does LiRA's offline test if variances are shared:
    neither is an attack of its own here. Sources: Watson et al. (ICLR 2022); Zarifzadeh et al. (ICML 2024).
    """
    own = as_floats(errors, "errors", (None, None))
    other = as_floats(reference, "reference", own.shape)
    if not ((own > 0).all() and (other > 0).all()):
        raise AttackError("errors: a mean of squares is positive; got one that is not")
    scores: Floats = np.log(other.mean(0)) - np.log(own.mean(0))
    return scores


def clid_scores(errors: npt.ArrayLike, empty: npt.ArrayLike) -> Floats:
    """How much the prompt lowers the error: errors (K,N) without it less those with it, mean over steps.

    A member's image has been seen with its prompt. CLiD's idea in its simplest form: the paper compares with
    shortened captions, too, and learns how to weigh. Source: Zhai et al. (NeurIPS 2024).
    """
    own = as_floats(errors, "errors", (None, None))
    scores: Floats = (as_floats(empty, "empty", own.shape) - own).mean(0)
    return scores
