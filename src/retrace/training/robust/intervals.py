"""Interval bounds that training can differentiate through (IBP, Gowal et al., arXiv 1810.12715)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from retrace.training.robust.layers import Layers, affine


@dataclass(frozen=True)
class Bounds:
    """Lower and upper bounds of what a ReLU reads, (N, C, H, W) or (N, F), and the norm before it, if any."""

    place: int
    lower: Tensor
    upper: Tensor
    norm: int | None


@dataclass(frozen=True)
class Interval:
    """Bounds before every ReLU, and centre and radius (N, F) of what the last linear layer reads."""

    relus: list[Bounds]
    centre: Tensor
    radius: Tensor


def propagate(layers: Layers, x: Tensor, epsilon: float) -> Interval:
    """Interval bounds over the L-infinity ball of radius `epsilon` around `x`, cut to [0, 1].

    Batch norms are folded to scale and shift. ValueError for a negative radius.
    """
    if epsilon < 0:
        raise ValueError(f"epsilon {epsilon}: a radius cannot be negative")
    low, high = (x - epsilon).clamp(0, 1), (x + epsilon).clamp(0, 1)
    centre, radius = (high + low) / 2, (high - low) / 2
    relus: list[Bounds] = []
    norm: int | None = None
    half = 1.0
    for part in layers.folded()[:-1]:
        if isinstance(part.module, nn.Conv2d | nn.Linear):
            weight = part.weight * half
            centre = affine(part.module, centre, weight, part.bias)
            radius, norm, half = affine(part.module, radius, weight.abs(), None), part.norm, 1.0
        elif isinstance(part.module, nn.ReLU):
            lower, upper = centre - radius, centre + radius
            relus.append(Bounds(part.place, lower, upper, norm))
            low, high = lower.relu(), upper.relu()
            # twice both: the next layer's weights are halved instead, which is exact and fewer passes
            centre, radius, half = high + low, high - low, 0.5
        else:
            centre, radius = part(centre), part(radius)
    return Interval(relus, centre * half, radius * half)


def margin_rows(layers: Layers, y: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (N, classes, F) and constants (N, classes) of the margins z_y - z_i in the last layer."""
    head = layers.net[-1]
    assert isinstance(head, nn.Linear)
    weight, bias = layers.weight(len(layers.net) - 1), head.bias
    return weight[y].unsqueeze(1) - weight, bias[y].unsqueeze(1) - bias


def margins(layers: Layers, interval: Interval, y: Tensor) -> Tensor:
    """Lower bounds (N, classes) of the margins z_y - z_i; 0 at i = y."""
    rows, constants = margin_rows(layers, y)
    centre = torch.einsum("ncf,nf->nc", rows, interval.centre)
    return centre - torch.einsum("ncf,nf->nc", rows.abs(), interval.radius) + constants
