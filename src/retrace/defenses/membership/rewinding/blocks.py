"""A network's blocks from input to head, as groups of parameter names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from retrace.training.shadows import Shadows, Tensors

Region = tuple[int, ...]  # numbers of neighbouring blocks, from 0


def blocks(models: Shadows) -> list[list[str]]:
    """Names of the parameters of each block, in the order of the forward pass; the head is the last.

    A block is a child of the body that has weights; a norm joins what stands before it, a sequence that
    holds most of the body's weights is opened, and weights of no child go to the first block.
    """
    half = _size(models.base.body) / 2
    found: list[list[str]] = []
    for name, child in _opened("body", models.base.body, half):
        names = [f"{name}.{p}" for p, _ in child.named_parameters()]
        if found and isinstance(child, nn.modules.batchnorm._BatchNorm | nn.LayerNorm):
            found[-1] += names
        else:
            found.append(names)
    found.append([name for name in models.params if name.startswith("head.")])
    placed = {name for names in found for name in names}
    found[0] += [name for name in models.params if name not in placed]
    return found


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _opened(name: str, module: nn.Module, half: float) -> Iterator[tuple[str, nn.Module]]:
    for own, child in module.named_children():
        inside = [child, *child.children()]
        if _size(child) and any(isinstance(m, nn.Sequential) and _size(m) > half for m in inside):
            yield from _opened(f"{name}.{own}", child, half)
        elif _size(child):
            yield f"{name}.{own}", child


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
