"""Rounding to grids without calibration: uniform by group (RTN), NF4, and HQQ's fitted zeros.

Weights are rounded and given back in floating point: what is studied is the error, not the storage.
"""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.compress.weights.names import check_bits, check_width

# NormalFloat4: quantiles of a normal distribution, zero among them (Dettmers et al. 2023, appendix E)
NF4 = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)


def uniform_grid(low: Tensor, high: Tensor, most: Tensor | float) -> tuple[Tensor, Tensor]:
    """Step and level of zero of asymmetric grids from `low` to `high`, any shape, widened to hold zero.

    `most` is the number of steps, 2^bits - 1. A grid of zeros alone has step 1.
    """
    low, high = low.clamp_max(0), high.clamp_min(0)
    step = (high - low) / most
    step = torch.where(step > 0, step, torch.ones_like(step))
    return step, (-low / step).round()


def groups(weight: Tensor, group: int | None) -> Tensor:
    """The weight (O,I) as (O,I/group,group); None: one group a row. StageError when it does not divide."""
    width = weight.shape[1]
    return weight.reshape(len(weight), -1, width if group is None else check_width(width, group))


def rtn(weight: Tensor, bits: int, group: int | None, clip: Tensor | float = 1.0) -> Tensor:
    """The weight (O,I) rounded to nearest on the asymmetric grid of each group.

    `clip` shrinks the range: one number, or by row and group (O,G,1).
    """
    some, most = groups(weight, group), float(2 ** check_bits(bits) - 1)
    low, high = some.aminmax(dim=2, keepdim=True)
    step, zero = uniform_grid(low * clip, high * clip, most)
    return some.div(step).round_().add_(zero).clamp_(0, most).sub_(zero).mul_(step).flatten(1)


def nf4(weight: Tensor, group: int) -> Tensor:
    """The weight (O,I) on the 16 levels of NormalFloat4, scaled by the largest entry of each group."""
    some = groups(weight, group)
    scale = some.abs().amax(2, keepdim=True)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    levels = torch.tensor(NF4, dtype=weight.dtype, device=weight.device)
    between = (levels[1:] + levels[:-1]) / 2
    return (levels[torch.bucketize(some / scale, between)] * scale).flatten(1)


def hqq(weight: Tensor, bits: int, group: int, steps: int = 20, power: float = 0.7) -> Tensor:
    """The weight (O,I) on uniform grids whose zeros are fitted to a loss that forgives outliers.

    Half-quadratic splitting: the error is shrunk towards sparsity (norm of `power`), then zeros are the
    group's means. Source: Badri and Shaji, Half-quadratic quantization of large machine learning models
    (2023), with its defaults (beta 10, times 1.01 a step); it stops where the mean error grows.
    """
    some, most = groups(weight, group), float(2 ** check_bits(bits) - 1)
    low, high = some.aminmax(dim=2, keepdim=True)
    step = (high - low) / most
    step = torch.where(step > 0, step, torch.ones_like(step))
    zero, beta = -low / step, 10.0
    best, error = zero, torch.inf
    for _ in range(steps):
        codes = (some / step + zero).round_().clamp_(0, most)
        gap = some - (codes - zero) * step
        now = float(gap.abs().mean())
        if now >= error:
            break
        best, error = zero, now
        size = gap.abs()
        sparse = gap.sign() * (size - size.clamp_min(1e-8) ** (power - 1) / beta).clamp_min(0)
        zero = (codes - (some - sparse) / step).mean(2, keepdim=True)
        beta *= 1.01
    codes = (some / step + best).round_().clamp_(0, most)
    return ((codes - best) * step).flatten(1)
