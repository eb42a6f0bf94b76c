"""Projected gradient descent (Madry et al. 2018, arXiv 1706.06083): the search before the proof."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from retrace.verify.blocks import entries
from retrace.verify.domain import Box, ball
from retrace.verify.network import Network
from retrace.verify.specification import rivals

STEP, DECAY = 0.25, 0.99  # first step as a share of epsilon, and its decay
BLOCK = 400_000  # entries of the largest map of the images attacked together, near a processor's cache


@dataclass(frozen=True)
class Attack:
    """Inputs (n, *input_shape) inside the balls, and whether the network gives each another class (n,)."""

    examples: Tensor
    found: Tensor


def broken(net: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    """Whether some other class reaches the label's logit (n,): a tie counts as broken."""
    return gaps(net(inputs), labels).amin(1) <= 0


def gaps(logits: Tensor, labels: Tensor) -> Tensor:
    """z_y - z_c (n, classes - 1) for every other class in rising order."""
    return logits.gather(1, labels[:, None]) - logits.gather(1, rivals(labels, logits.shape[1]))


def pgd(
    net: Network,
    images: Tensor,
    labels: Tensor,
    epsilon: float,
    *,
    steps: int = 50,
    restarts: int = 4,
    seed: int = 0,
) -> Attack:
    """Attack images (n, *input_shape) in [0, 1] within L-infinity distance `epsilon`.

    The first start descends the smallest margin, the later ones that of the first, second ... closest
    class. An image leaves as soon as it is broken.
    Errors: ValueError as `domain.ball`.
    """
    region = ball(images, epsilon)
    generator = torch.Generator(device=images.device).manual_seed(seed)
    examples = images.clone()
    with torch.no_grad():
        clean = gaps(net(images), labels)
    found = clean.amin(1) <= 0
    closest = clean.argsort(1)
    largest = max(math.prod(net.shape(k)) for k in range(net.output + 1))
    together = max(1, entries(images.device, BLOCK) // largest)
    for start in range(restarts):
        left = (~found).nonzero()[:, 0]
        if not len(left):
            break
        target = closest[left, (start - 1) % closest.shape[1]] if start else None
        size = (len(left), *images.shape[1:])
        noise = torch.rand(size, generator=generator, dtype=images.dtype, device=images.device)
        inside = region.take(left)
        x = inside.lower + noise * (inside.upper - inside.lower)
        for some in torch.split(torch.arange(len(left), device=left.device), together):
            aim = None if target is None else target[some]
            box = inside.take(some)
            x[some], found[left[some]] = _descend(net, x[some], labels[left[some]], aim, box, epsilon, steps)
        examples[left] = x
    return Attack(examples, found)


def _descend(
    net: Network,
    x: Tensor,
    labels: Tensor,
    target: Tensor | None,
    inside: Box,
    epsilon: float,
    steps: int,
) -> tuple[Tensor, Tensor]:
    hit = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for step in range(steps + 1):
        active = (~hit).nonzero()[:, 0]
        if not len(active):
            break
        value, back = net.opened(x[active])
        value.requires_grad_(step < steps)
        gap = gaps(net.onward(value), labels[active])
        hit[active] = gap.detach().amin(1) <= 0
        if step == steps:
            break
        loss = gap.amin(1) if target is None else gap.gather(1, target[active, None])[:, 0]
        slope = back(torch.autograd.grad(loss.sum(), value)[0])
        moved = x[active] - STEP * epsilon * DECAY**step * slope.sign()
        moved = torch.minimum(torch.maximum(moved, inside.lower[active]), inside.upper[active])
        x[active] = torch.where(hit[active].reshape(-1, *[1] * (x.ndim - 1)), x[active], moved)
    return x, hit
