"""Which private images a model's own images come near to: distances by blocks, and their count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Floats, Ints

BLOCK = 2048  # rows a block: its distances are all that is held


def nearest(drawn: npt.ArrayLike, known: npt.ArrayLike, block: int = BLOCK) -> tuple[Floats, Ints]:
    """Of each drawn image (G,...) the distance to its nearest known one (N,...), and which it is; (G,) each.

    The distance is the root of the mean squared difference, of pixels in [0, 1] one of 0 to 1. The nearest is
    found by |a|^2 + |b|^2 - 2ab, block by block; its distance is then taken as it is, so that equal images
    are at 0. AttackError where shapes differ or a side is empty.
    Source: Carlini et al. (USENIX Security 2023), section 4.1, for the distance.
    """
    a, b = (_flat(images, name) for images, name in ((drawn, "drawn"), (known, "known")))
    if a.shape[1] != b.shape[1]:
        raise AttackError(f"drawn images have {a.shape[1]} values, known ones {b.shape[1]}; resize them")
    sizes = (b**2).sum(1)
    which = [
        ((part**2).sum(1)[:, None] + sizes - 2 * part @ b.T).argmin(1)
        for part in np.split(a, range(block, len(a), block))
    ]
    index: Ints = np.concatenate(which).astype(np.int64)
    apart: Floats = np.sqrt(((a - b[index]) ** 2).mean(1))
    return apart, index


@dataclass(frozen=True)
class Extraction:
    """Private images found (rows of them), and the drawn images that came within the distance."""

    found: Ints
    hits: int


def extracted(drawn: npt.ArrayLike, private: npt.ArrayLike, within: float, most: int = 10) -> Extraction:
    """Private images (N,...) that are the nearest of a drawn one (G,...), and nearer to it than `within`.

    A drawn image stands for its nearest private one alone, so it never finds two. A private image counts if
    at most `most` private ones, itself among them, lie that near to it: what is there many times is common,
    not memorised. Source: Carlini et al. (2023): (k, l, delta)-eidetic.
    """
    if not within > 0:
        raise AttackError(f"within {within:g}: a distance above 0; calibrate it on held-out images")
    apart, index = nearest(drawn, private)
    hits = index[apart < within]
    b = _flat(private, "private")
    copies = np.array([(((b - b[i]) ** 2).mean(1) < within**2).sum() for i in np.unique(hits)], np.int64)
    return Extraction(np.unique(hits)[copies <= most], len(hits))


def _flat(images: npt.ArrayLike, name: str) -> Floats:
    x = np.asarray(images, dtype=np.float64)
    if x.ndim < 2 or not len(x):
        raise AttackError(f"{name}: images of shape (N,...), at least one; got {x.shape}")
    return x.reshape(len(x), -1)


def near_duplicates(images: npt.ArrayLike, within: float) -> npt.NDArray[np.bool_]:
    """Which images (N,...) lie within that distance of an earlier one that stays, (N,)."""
    x = _flat(images, "images")
    gone = np.zeros(len(x), bool)
    for i in range(1, len(x)):
        earlier = x[:i][~gone[:i]]
        gone[i] = ((earlier - x[i]) ** 2).mean(1).min() < within**2
    return gone
