"""What attacks on diffusion models share: the model as a function, and errors of images.

Arrays are NumPy's or PyTorch's: only arithmetic, slices, `reshape` and `sum` are used, so that this room
loads no network library. Scores (N,) are higher for members.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from retrace.attacks.arrays import AttackError

Predict = Callable[[Any, int], Any]  # images (N,C,H,W) at a step -> the noise in them
Alpha = Callable[[int], float]  # step -> share of the image's variance that is left; -1 -> 1


def squared(error: Any, power: int = 2) -> Any:
    """Sum of |error|^power over each image (N,C,H,W), (N,)."""
    return (abs(error) ** power).reshape(len(error), -1).sum(-1)


def moved(image: Any, noise: Any, share: float) -> Any:
    """Image and noise in the mixture whose variance is by `share` the image's."""
    return share**0.5 * image + (1 - share) ** 0.5 * noise


def image_of(x: Any, noise: Any, share: float) -> Any:
    """The image in a mixture x if that noise is in it."""
    return (x - (1 - share) ** 0.5 * noise) / share**0.5


def check_images(x: Any, shape: tuple[int, ...]) -> None:
    """AttackError unless x holds images (N, *shape) in [-1, 1]."""
    if tuple(x.shape[1:]) != shape:
        raise AttackError(
            f"images: the model takes {shape}, these are {tuple(x.shape[1:])}; resize them to its side"
        )
    low, high = float(x.min()), float(x.max())
    if not (low >= -1 and high <= 1):
        raise AttackError(
            f"images: values from {low:g} to {high:g} lie outside [-1, 1]; scale bytes by x / 127.5 - 1"
        )
