"""The loss's curvature: Hessian products on one graph, built once, its largest eigenvalue, its traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from retrace.errors import RetraceError


@dataclass(frozen=True)
class Eigenvalue:
    """An eigenvalue; `residual`, within which of it a true one lies; products that it took."""

    value: float
    residual: float
    products: int


class Curvature:
    """First and second derivatives of a loss by parameters (all of them one vector of P numbers).

    The graph of the gradient is built once, and every product goes through it again. `place` names the loss
    in errors.
    """

    def __init__(self, loss: Tensor, params: Sequence[Tensor], place: str = "loss") -> None:
        self.params, self.place = list(params), place
        grads = torch.autograd.grad(loss, self.params, create_graph=True)
        self._flat = torch.cat([g.reshape(-1) for g in grads])
        self.gradient = self._flat.detach()

    def product(self, vector: Tensor) -> Tensor:
        """The Hessian times a vector (P,), (P,); RetraceError when it is not finite."""
        parts = torch.autograd.grad(self._flat, self.params, vector, retain_graph=True)
        found = torch.cat([p.reshape(-1) for p in parts])
        if not torch.isfinite(found).all():
            raise RetraceError(
                f"{self.place}: a Hessian product is not finite; look whether the network trained, or leave "
                "its curvature out"
            )
        return found

    def largest(self, tolerance: float = 1e-3, most: int = 60, seed: int = 0) -> Eigenvalue:
        """The largest eigenvalue (not the largest magnitude), by Lanczos with full reorthogonalisation.

        Ends when the residual is below `tolerance` of the value, or after `most` products.
        """
        basis = [_unit(torch.randn(len(self._flat), generator=torch.Generator().manual_seed(seed)), self)]
        diagonal: list[float] = []
        beside: list[float] = []
        while True:
            w = self.product(basis[-1])
            diagonal.append(float(w @ basis[-1]))
            known = torch.stack(basis)
            for _ in range(2):  # once leaves rounding errors that bring found eigenvalues back
                w = w - known.T @ (known @ w)
            size = float(w.norm())
            values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
            value, residual = float(values[-1]), size * abs(float(vectors[-1, -1]))
            n = len(diagonal)
            if residual <= tolerance * abs(value) or n >= min(most, len(w)) or size < 1e-12:
                return Eigenvalue(value, residual, n)
            beside.append(size)
            basis.append(w / size)

    def traces(self, probes: int, seed: int = 0) -> list[float]:
        """The trace of each parameter's own block, estimated with `probes` vectors of random signs.

        Hutchinson (1989); a block's estimate has the cross terms of all the others as noise.
        """
        generator = torch.Generator().manual_seed(seed)
        sizes = [p.numel() for p in self.params]
        total = torch.zeros(len(sizes), dtype=torch.float64)
        for _ in range(probes):
            drawn = torch.randint(0, 2, (len(self._flat),), generator=generator)
            signs = (2 * drawn - 1).to(self._flat)
            parts = torch.split(signs * self.product(signs), sizes)
            total += torch.stack([part.double().sum() for part in parts]).cpu()
        return [float(t) for t in total / probes]


def _unit(vector: Tensor, like: Curvature) -> Tensor:
    unit: Tensor = vector / vector.norm()
    return unit.to(like.gradient)
