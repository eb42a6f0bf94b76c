"""The triangle relaxation of a ReLU between its bounds (Zhang et al. 2018, arXiv 1811.00866, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Relaxation:
    """low * z <= relu(z) <= high * z + intercept; all (n or 1, rows or 1, *shape)."""

    low: Tensor
    high: Tensor
    intercept: Tensor

    def take(self, index: Tensor) -> Relaxation:
        """Of the boxes numbered in `index`, where there is one line a box."""
        return Relaxation(self.low[index], self.high[index], self.intercept[index])


def unstable(lower: Tensor, upper: Tensor) -> Tensor:
    """Which neurons may take both signs: with an end that is NaN (an overflow), any may."""
    return ~((lower >= 0) | (upper <= 0))


def first_slope(lower: Tensor, upper: Tensor) -> Tensor:
    """CROWN's lower slope: 1 where the upper bound is farther from zero than the lower, else 0."""
    return (upper > -lower).to(lower.dtype)


def relax(lower: Tensor, upper: Tensor, alpha: Tensor | None = None) -> Relaxation:
    """The two lines of every neuron with bounds (n, *shape), rows axis inserted.

    `alpha` (n, rows, *shape) in [0, 1] is the lower slope of unstable neurons, CROWN's choice unless given.
    A neuron with an upper bound of 0 or less is off, one with a lower bound of 0 or more the identity.
    """
    lower, upper = lower[:, None], upper[:, None]  # (n, 1, *shape) each
    open_ = unstable(lower, upper)
    on = (lower >= 0).to(lower.dtype)
    width = torch.where(open_, upper - lower, torch.ones_like(upper))
    high = torch.where(open_, upper / width, on)
    intercept = torch.where(open_, -upper * lower / width, torch.zeros_like(upper))
    low = torch.where(open_, first_slope(lower, upper) if alpha is None else alpha, on)
    return Relaxation(low, high, intercept)
