"""Make a data set harder, so that networks memorise: wrong labels or noisy pixels."""

from __future__ import annotations

import numpy as np

from retrace.data import corruptions
from retrace.data.images import Images


def flip_labels(images: Images, share: float, rng: np.random.Generator) -> Images:
    """Give a share of the rows, drawn at random, another label, every wrong one as likely; the images stay.

    ValueError where the share is outside 0..1 or there is only one class.
    """
    if not 0 <= share <= 1 or images.classes < 2:
        raise ValueError(f"flip:{share:g} needs a share between 0 and 1 and 2 classes or more")
    chosen = rng.permutation(len(images))[: round(share * len(images))]
    y = images.y.copy()
    y[chosen] = (y[chosen] + rng.integers(1, images.classes, size=len(chosen))) % images.classes
    return Images(images.x, y, images.classes)


def parse(change: str) -> tuple[str, float]:
    """Kind and amount of "none", "flip:0.15" or "noise:0.5"; ValueError for anything else."""
    if change == "none":
        return "none", 0.0
    kind, _, amount = change.partition(":")
    try:
        value = float(amount)
    except ValueError:
        value = -1.0
    if kind not in ("flip", "noise") or not 0 <= value <= 1:
        raise ValueError(f"change {change!r}: use none, flip:SHARE or noise:SD with a number from 0 to 1")
    return kind, value


def spoil(images: Images, change: str, rng: np.random.Generator) -> Images:
    """The images with flipped labels ("flip:0.15") or Gaussian pixel noise ("noise:0.5"; white is 1)."""
    kind, amount = parse(change)
    if kind == "flip":
        return flip_labels(images, amount, rng)
    if kind == "noise":
        return Images(corruptions.apply(images.x, f"gauss:{amount:g}", rng), images.y, images.classes)
    return images
