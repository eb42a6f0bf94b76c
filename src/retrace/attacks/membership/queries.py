"""Altered copies of examples to ask a model about; each is made when its turn comes, so memory holds one.

Ask target and references about the same copies (the same seed) and stack their outputs on a last axis Q.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError

Array = npt.NDArray[Any]


def flips_and_shifts(images: npt.ArrayLike, reach: int, *, flip: bool = True) -> Iterator[Array]:
    """Yield copies (N,c,H,W) of images shifted by -reach, 0 and reach pixels each way, then mirrored ones.

    9 copies, 18 with mirrors, the first the images themselves; edges are reflected, as crops of padded images
    are in training. Carlini et al. (S&P 2022) take 18 copies with a reach of 4 for CIFAR-10.
    AttackError for another shape or a reach that the images do not have.
    """
    given = np.asarray(images)
    if given.ndim != 4:
        raise AttackError(f"images: the shape must be (N,channels,H,W); got {given.shape}")
    high, wide = given.shape[2:]
    if not 0 < reach < min(high, wide):
        raise AttackError(f"reach: from 1 to {min(high, wide) - 1} pixels; got {reach}")
    return _copies(given, reach, flip)


def _copies(images: Array, reach: int, flip: bool) -> Iterator[Array]:
    high, wide = images.shape[2:]
    for seen in (images, images[..., ::-1])[: 2 if flip else 1]:
        padded = np.pad(seen, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="reflect")
        for down in (0, -reach, reach):
            for right in (0, -reach, reach):
                yield padded[..., reach - down : reach - down + high, reach - right : reach - right + wide]


def noisy_copies(inputs: npt.ArrayLike, copies: int, sigma: float, seed: int = 0) -> Iterator[Array]:
    """Yield `copies` of inputs (N,...) with Gaussian noise of standard deviation `sigma`, of their dtype.

    The same seed gives the same copies. Values may leave the inputs' range; clip them where the model wants.
    AttackError unless inputs are floats, copies >= 1 and sigma > 0.
    """
    given = np.asarray(inputs)
    if not np.issubdtype(given.dtype, np.floating):
        raise AttackError(f"inputs: floats, as the model takes them; got {given.dtype}")
    if copies < 1 or not sigma > 0:
        raise AttackError(f"noisy copies: copies from 1 and sigma above 0; got {copies} and {sigma:g}")
    draw = np.random.default_rng(seed)
    return (
        (given + sigma * draw.standard_normal(given.shape)).astype(given.dtype, copy=False)
        for _ in range(copies)
    )
