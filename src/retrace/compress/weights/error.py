"""What a change of a matrix does to its output, from the input's second moments alone."""

from __future__ import annotations

import torch
from torch import Tensor


def output_error(change: Tensor, hessian: Tensor) -> Tensor:
    """tr(D H D') of changes D (...,O,I) with H (I,I): twice the mean squared change of the output, summed."""
    return ((change @ hessian) * change).sum((-2, -1))


def noise(
    weight: Tensor, hessian: Tensor, error: float, generator: torch.Generator, every: int = 1
) -> Tensor:
    """The weight (O,I) moved by Gaussian noise whose `output_error` is `error`: a control of quantizers.

    Both are of every `every`-th row.
    """
    drawn = torch.randn(weight.shape, generator=generator, device=generator.device, dtype=weight.dtype)
    drawn = drawn.to(weight.device)
    size = float(output_error(drawn[::every], hessian))
    return weight + drawn * (error / size) ** 0.5 if size > 0 else weight.clone()
