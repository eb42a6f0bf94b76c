"""Largest singular values of Jacobians by the power method on products: no Jacobian is ever formed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp, vjp


def largest_singular_values(
    function: Callable[[Tensor], Tensor], x: Tensor, iterations: int, seed: int = 0
) -> Tensor:
    """s_max (N,) of the Jacobian of every sample's own output with respect to its own input, x (N,...).

    `function` may not let samples touch. All samples share each product: J v forwards, J^T u backwards.
    The power method comes from below. ValueError when a product is not finite.
    """
    rng = torch.Generator().manual_seed(seed)
    v = _unit(torch.randn(x.shape, generator=rng).to(x))
    found = torch.zeros(len(x))
    pull = vjp(function, x)[1]
    for _ in range(iterations):
        pushed = jvp(function, (x,), (v,))[1]
        (back,) = pull(pushed)
        found = _lengths(back).sqrt()  # |J^T J v| for a unit v: the square of the singular value
        if not torch.isfinite(found).all():
            raise ValueError("a product with a Jacobian is not finite; the network has diverged")
        v = _unit(back)
    return found.detach()


def _lengths(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x.flatten(1), dim=1)  # type: ignore[no-any-return]


def _unit(x: Tensor) -> Tensor:
    return x / _lengths(x).clamp_min(1e-30).view(-1, *[1] * (x.ndim - 1))
