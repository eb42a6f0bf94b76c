"""Divide the classes of a data set: private images, the reference model's, and those held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.data.as_images import as_images
from retrace.data.images import Images, Pixels
from retrace.seeds import generator
from retrace.stage import Array, Inputs, Output, StageError

if TYPE_CHECKING:
    from retrace.studies.diffusion.params import Prepare


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """A seed draws which classes are domains: `domains` trained ones, then one of which nothing is trained.

    Leaves uint8 images (D+1,n,S,S,C): `members`, `reference`, `others`; from elsewhere `shifted`, others
    moved by a pixel, and `other.<k>` of domain k from the other source; `held.x`, `held.y`: images of all
    classes that no model is trained on, for the classifier of drawn images.
    """
    images, rng = as_images(inputs["dataset"]), generator(seed, "diffusion", "domains")
    if images.classes <= params.domains:
        raise StageError(
            f"{params.domains} domains and one untrained: there are {images.classes} classes; lower domains"
        )
    classes = rng.permutation(images.classes)[: params.domains + 1]
    cuts = np.cumsum([params.members, params.members, params.others])
    parts: list[list[Pixels]] = [[], [], []]
    held_x, held_y = [], []
    for label in range(images.classes):
        rows = rng.permutation(np.flatnonzero(images.y == label))
        if label in classes and len(rows) < cuts[-1]:
            raise StageError(
                f"class {label} has {len(rows)} images: too few for {params.members} members, as many of the "
                f"reference model and {params.others} others; lower them"
            )
        own = resized(images.x[rows[: cuts[-1]]], params.side)
        first = cuts[1] if label in classes else 0
        held_x.append(own[first:])
        held_y.append(np.full(len(own) - first, label))
        if label in classes:
            for part, piece in zip(parts, np.split(own, cuts)[:3], strict=True):
                part.append(piece)
    order = np.argsort(np.argsort(classes))  # domain k is the order[k]-th of the sorted classes
    stacked = [np.stack([part[k] for k in order]) for part in parts]
    scratch: dict[str, Array] = dict(zip(("members", "reference", "others"), stacked, strict=True))
    scratch["shifted"] = _moved(scratch["others"][:, : params.strays], rng)
    scratch |= {"held.x": np.concatenate(held_x), "held.y": np.concatenate(held_y)}
    if params.other:
        scratch |= _elsewhere(as_images(inputs["other"]), classes, params, rng)
    about = {"classes": images.classes, "domains": classes.tolist(), "channels": images.x.shape[-1]}
    return Output(about, scratch=scratch)


def resized(x: Pixels, side: int) -> Pixels:
    """Images (N,H,W,C) with `side` pixels a side: by means or copies of pixels, then a black border.

    The factor is the largest whole one that fits. StageError where they would have to shrink by none.
    """
    high = x.shape[1]
    if high > side:
        factor = -(-high // side)
        if high % factor:
            raise StageError(
                f"images of {high} pixels do not shrink to {side} by whole pixels; choose another side"
            )
        blocks = x.reshape(len(x), high // factor, factor, high // factor, factor, -1)
        x = np.rint(blocks.mean((2, 4))).astype(np.uint8)
    else:
        x = x.repeat(side // high, 1).repeat(side // high, 2)
    left = side - x.shape[1]
    return np.pad(x, ((0, 0), *[(left // 2, left - left // 2)] * 2, (0, 0)))


def _moved(x: Pixels, rng: np.random.Generator) -> Pixels:
    """Images (D,N,S,S,C), each moved by one pixel in one of four directions."""
    ways = np.array([(0, 1), (0, -1), (1, 0), (-1, 0)])[rng.integers(0, 4, x.shape[:2])]
    moved = [
        np.stack([np.roll(one, tuple(by), (0, 1)) for one, by in zip(images, way, strict=True)])
        for images, way in zip(x, ways, strict=True)
    ]
    return np.stack(moved)


def _elsewhere(images: Images, classes: Array, params: Prepare, rng: np.random.Generator) -> dict[str, Array]:
    if images.classes <= max(classes):
        raise StageError(f"the other source has no class {max(classes)}; choose one with the same classes")
    found: dict[str, Array] = {}
    for k, label in enumerate(classes):
        rows = rng.permutation(np.flatnonzero(images.y == label))[: params.strays]
        found[f"other.{k}"] = resized(images.x[rows], params.side)
    return found
