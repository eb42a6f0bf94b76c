"""The loss's curvature: Hessian products on one graph, built once, its largest eigenvalue, its traces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.linalg.lapack import dstev
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
        self._sizes = [p.numel() for p in self.params]
        # one vector: given vectors for several outputs, autograd.grad first imports half a second of sympy
        self._graph = _flat(torch.autograd.grad(loss, self.params, create_graph=True))
        self.gradient = self._graph.detach()

    def product(self, vector: Tensor) -> Tensor:
        """The Hessian times a vector (P,), (P,); RetraceError when it is not finite."""
        found = _flat(torch.autograd.grad(self._graph @ vector, self.params, retain_graph=True))
        if not math.isfinite(float(found.sum())):  # a sum is finite where all are, short of an overflow
            raise RetraceError(
                f"{self.place}: a Hessian product is not finite; look whether the network trained, or leave "
                "its curvature out"
            )
        return found

    def largest(self, tolerance: float = 1e-3, most: int = 60, seed: int = 0) -> Eigenvalue:
        """The largest eigenvalue (not the largest magnitude), by Lanczos with full reorthogonalisation.

        Ends when the residual is below `tolerance` of the value, or after `most` products.
        """
        basis = self.gradient.new_empty(min(most, len(self.gradient)) + 1, len(self.gradient))
        start = torch.randn(len(self.gradient), generator=torch.Generator().manual_seed(seed))
        basis[0] = start / start.norm()
        diagonal: list[float] = []
        beside: list[float] = []
        while True:
            n = len(diagonal) + 1
            w = self.product(basis[n - 1])
            diagonal.append(float(w @ basis[n - 1]))
            # once, even against all, leaves rounding errors that bring found eigenvalues back
            for known in (basis[max(0, n - 2) : n], basis[:n]):
                w = torch.addmv(w, known.T, known @ w, alpha=-1)
            size = float(w.norm())
            values, vectors, _ = dstev(diagonal, beside or [0.0])
            value, residual = float(values[-1]), size * abs(float(vectors[-1, -1]))
            if residual <= tolerance * abs(value) or n >= min(most, len(w)) or size < 1e-12:
                return Eigenvalue(value, residual, n)
            beside.append(size)
            torch.div(w, size, out=basis[n])

    def traces(self, probes: int, seed: int = 0) -> list[float]:
        """The trace of each parameter's own block, estimated with `probes` vectors of random signs.

        Hutchinson (1989); a block's estimate has the cross terms of all the others as noise.
        """
        generator = torch.Generator().manual_seed(seed)
        total = torch.zeros(len(self.params), dtype=torch.float64)
        for _ in range(probes):
            drawn = torch.randint(0, 2, (len(self.gradient),), generator=generator)
            signs = (2 * drawn - 1).to(self.gradient)
            parts = torch.split(signs * self.product(signs), self._sizes)
            total += torch.stack([part.double().sum() for part in parts]).cpu()
        return [float(t) for t in total / probes]


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts])
