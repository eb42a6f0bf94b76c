"""Input regions: boxes and L-infinity balls inside the data's own range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Box:
    """All x with lower <= x <= upper, entry by entry; both (n, *input_shape), one box per image."""

    lower: Tensor
    upper: Tensor

    @property
    def centre(self) -> Tensor:
        """The middle of every box."""
        return (self.lower + self.upper) / 2

    @property
    def radius(self) -> Tensor:
        """Half the width of every box."""
        return (self.upper - self.lower) / 2

    def __len__(self) -> int:
        return len(self.lower)

    def to(self, dtype: torch.dtype, device: torch.device | None = None) -> Box:
        """The same boxes in another precision or on another device."""
        return Box(self.lower.to(device, dtype), self.upper.to(device, dtype))

    def take(self, index: Tensor) -> Box:
        """The boxes numbered in `index` (k,)."""
        return Box(self.lower[index], self.upper[index])


def box(lower: Tensor, upper: Tensor) -> Box:
    """Boxes (n, *input_shape) from their ends.

    Errors: ValueError for unequal shapes, an end that is not finite, or a lower end above its upper end.
    """
    if lower.shape != upper.shape:
        raise ValueError(
            f"box ends of shapes {tuple(lower.shape)} and {tuple(upper.shape)}: give them one shape"
        )
    for name, end in (("lower", lower), ("upper", upper)):
        if not bool(torch.isfinite(end).all()):
            raise ValueError(f"the {name} end of a box has a NaN or infinite entry: clean the input first")
    if bool((lower > upper).any()):
        raise ValueError("the lower end of a box lies above its upper end: swap them")
    return Box(lower, upper)


def ball(images: Tensor, epsilon: float, low: float = 0.0, high: float = 1.0) -> Box:
    """L-infinity balls of radius `epsilon` round the images (n, *input_shape), clipped to [low, high].

    Errors: ValueError for an epsilon that is negative or not finite, an image outside the range, or a NaN.
    """
    if not (math.isfinite(epsilon) and epsilon >= 0):
        raise ValueError(f"epsilon is {epsilon}: give a radius of 0 or more, in units of the input")
    if bool(torch.isnan(images).any()):
        raise ValueError("an image has a NaN entry: clean the input first")
    if bool((images < low).any()) or bool((images > high).any()):
        raise ValueError(
            f"an image leaves [{low:g}, {high:g}] (entries span {float(images.min()):g} to"
            f" {float(images.max()):g}): scale it, or give its range as low and high"
        )
    return box((images - epsilon).clamp(min=low), (images + epsilon).clamp(max=high))
