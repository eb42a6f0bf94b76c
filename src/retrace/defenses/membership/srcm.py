"""Saturn Ring Classifier Module (SRCM), reconstructed: a head that keeps representations on a ring.

The module's code was never published. Known are its interface (input and output width, pre-layer,
radius r, width d; it returns logits and representation) and its two parts, a ring activation and a
magnitude-normalised linear layer; how they work is our reconstruction, every reading a switch.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retrace.defenses.membership.bench import Bench, Defended
from retrace.defenses.membership.losses.base import loss_of
from retrace.defenses.membership.settings import Srcm
from retrace.nets.targets import Head
from retrace.training.fit import fit

Ring = Literal["off", "outer", "centre", "inner", "sphere", "smooth", "random"]
Normalised = Literal["none", "input", "cosine", "weight"]
LEAST_NORM, COSINE_SCALE = 1e-6, 10.0


class SaturnRing(nn.Module):
    """Ring activation and linear layer; (B,in) to logits (B,classes) and representations (B,in)."""

    def __init__(
        self, inputs: int, classes: int, ring: Ring, r: float, d: float, linear: Normalised, pre_layer: bool
    ) -> None:
        super().__init__()
        self.pre: nn.Module = nn.Linear(inputs, inputs) if pre_layer else nn.Identity()
        self.last = nn.Linear(inputs, classes)
        self.ring, self.r, self.d, self.normalised = ring, r, d, linear

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the representation on the ring."""
        z = self.pre(x)
        norm = torch.linalg.vector_norm(z, dim=-1, keepdim=True).clamp(min=LEAST_NORM)
        on_ring = z * (self._place(norm) / norm)
        return self._classify(on_ring), on_ring

    def _place(self, norm: Tensor) -> Tensor:
        r, d = self.r, self.d
        if self.ring == "off":
            return norm
        if self.ring == "sphere":
            return torch.full_like(norm, r)
        if self.ring == "smooth":
            return r + d * torch.tanh(norm / r)
        if self.ring == "random":
            return r + d * (torch.rand_like(norm) if self.training else torch.full_like(norm, 0.5))
        low, high = {"outer": (r, r + d), "centre": (r - d, r + d), "inner": (r - d, r)}[self.ring]
        return norm.clamp(low, high)

    def _classify(self, z: Tensor) -> Tensor:
        unit = F.normalize(z, dim=-1)
        match self.normalised:
            case "input":
                return F.linear(unit, self.last.weight, self.last.bias)
            case "cosine":
                return COSINE_SCALE * F.linear(unit, F.normalize(self.last.weight, dim=-1))
            case "weight":
                return F.linear(z, F.normalize(self.last.weight, dim=-1), self.last.bias)
            case _:
                return F.linear(z, self.last.weight, self.last.bias)


def ring_head(settings: Srcm) -> Head:
    """The head these settings describe, to build a network with."""
    s = settings
    return lambda inputs, classes: SaturnRing(
        inputs, classes, s.ring, s.radius, s.width, s.linear, s.pre_layer
    )


def srcm(bench: Bench, settings: Srcm) -> Defended:
    """Train networks whose head is the ring module, with its loss, from scratch."""
    models = bench.fresh(ring_head(settings))
    fit(
        models,
        bench.data,
        loss_of(settings.loss, bench.classes),
        bench.rated(settings.learning_rate),
        bench.seed,
    )
    return Defended(models)
