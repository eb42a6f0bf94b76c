"""Rounding to uniform grids, simulated in floating point, with a straight-through gradient.

Weights lie on a symmetric grid of 2^(b-1) - 1 steps either side of zero, activations on 2^b levels between
two ends, zero among them. Source: Krishnamoorthi, Quantizing deep convolutional networks for efficient
inference (2018), sections 2.1 to 2.3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.compress.quantizing.names import check_bits


def straight(rounded: Tensor, values: Tensor) -> Tensor:
    """`rounded` forwards, the gradient of `values` backwards (Bengio et al., 2013); shapes as given."""
    return values + (rounded - values).detach()


def reach(bits: int) -> int:
    """Steps that a symmetric grid of `bits` bits has on either side of zero."""
    return int(2 ** (check_bits(bits) - 1) - 1)


def weight_step(weight: Tensor, bits: int, per_channel: bool = True) -> Tensor:
    """Distance of two levels, so that the largest weight is one: (O,1,...) by output channel, or (1,1,...).

    `weight` (O,...). A channel of zeros has step 1.
    """
    axes = tuple(range(1, weight.dim())) if per_channel else tuple(range(weight.dim()))
    largest = weight.detach().abs().amax(axes, keepdim=True)
    return torch.where(largest > 0, largest / reach(bits), torch.ones_like(largest))


def round_weight(weight: Tensor, bits: int, per_channel: bool = True) -> Tensor:
    """The weight (O,...) on its symmetric grid; gradients pass as if nothing had been rounded."""
    step, most = weight_step(weight, bits, per_channel), reach(bits)
    return straight((weight.detach() / step).round().clamp(-most, most) * step, weight)


def input_grid(low: float, high: float, bits: int) -> tuple[float, int]:
    """Step and level of zero of the grid from `low` to `high`, widened to hold zero; ValueError if empty."""
    low, high = min(low, 0.0), max(high, 0.0)
    if high <= low:
        raise ValueError(f"range {low:g} to {high:g}: empty")
    step = (high - low) / (2 ** check_bits(bits) - 1)
    return step, round(-low / step)


def round_input(x: Tensor, low: float, high: float, bits: int) -> Tensor:
    """Activations of any shape on the grid from `low` to `high`; outside it they are clipped.

    Gradients pass where nothing is clipped.
    """
    step, zero = input_grid(low, high, bits)
    last = 2**bits - 1
    rounded = ((x.detach() / step).round() + zero).clamp(0, last).sub(zero).mul(step)
    return straight(rounded, x.clamp(-zero * step, (last - zero) * step))


def expected_shift(weight: Tensor, bits: int, per_channel: bool = True) -> float:
    """Squared norm of a rounding error that is uniform within each step: the sum of step^2 / 12."""
    step = weight_step(weight, bits, per_channel)
    return float((step.double().square() / 12).expand_as(weight).sum())
