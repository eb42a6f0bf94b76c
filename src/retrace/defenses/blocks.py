"""A network's blocks from input to head, as groups of parameter names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from retrace.training.shadows import Shadows, Tensors

Region = tuple[int, ...]  # numbers of neighbouring blocks, from 0


def blocks(models: Shadows) -> list[list[str]]:
    """Names of the parameters of each block, in the order of the forward pass; the head is the last.

    A block is a child of the body that has weights; a norm joins what stands before it, and a body that is
    one nested child is opened.
    """
    body, prefix = models.base.body, "body"
    children = list(body.named_children())
    while len([c for _, c in children if list(c.parameters())]) == 1:
        name, child = next((n, c) for n, c in children if list(c.parameters()))
        if not list(child.children()):
            break
        prefix, children = f"{prefix}.{name}", list(child.named_children())
    found: list[list[str]] = []
    for name, child in children:
        names = [f"{prefix}.{name}.{p}" for p, _ in child.named_parameters()]
        if not names:
            continue
        if found and isinstance(child, nn.modules.batchnorm._BatchNorm | nn.LayerNorm):
            found[-1] += names
        else:
            found.append(names)
    found.append([name for name in models.params if name.startswith("head.")])
    placed = {name for names in found for name in names}
    found[0] += [name for name in models.params if name not in placed]
    return found


def region_mask(models: Shadows, region: Sequence[int]) -> Tensors:
    """True for the parameters of the region's blocks, name -> (G,...)."""
    parts = blocks(models)
    chosen = {name for number in region for name in parts[number]}
    return {n: torch.full_like(p, n in chosen, dtype=torch.bool) for n, p in models.params.items()}


def cuts(count: int) -> list[Region]:
    """Every region on one side of a cut between `count` blocks: 2 (count - 1) of them."""
    whole = tuple(range(count))
    return [part for cut in range(1, count) for part in (whole[:cut], whole[cut:])]


def mirrored(region: Region, count: int) -> Region:
    """The region as far from the other end of the network."""
    return tuple(sorted(count - 1 - number for number in region))
