"""Copies of a network whose matrices are rounded, pruned or moved at random."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from retrace.compress.quantizing.layers import layers
from retrace.compress.weights.grids import uniform_grid
from retrace.compress.weights.masks import keep
from retrace.llm.encoders import Encoder
from retrace.stage import StageError
from retrace.studies.forgetting.names import copies

if TYPE_CHECKING:
    from retrace.studies.forgetting.params import Measure

Change = Callable[[Tensor, Tensor], Tensor]  # a matrix and noise of its shape -> what stands in its place


def damaged(net: Encoder, params: Measure, seed: int) -> Iterator[tuple[str, Encoder]]:
    """Names and copies, in the order of `names.copies`; one direction of noise serves all its sizes.

    All linear maps of the backbone are changed; embedding, norms, biases and the head stay.
    Errors: StageError for a checkpoint without linear maps of PyTorch's.
    """
    for name, change in _changes(params):
        twin = copy.deepcopy(net)
        found = [layer for layer in layers(twin.backbone).values() if isinstance(layer, nn.Linear)]
        if not found:
            raise StageError(f"checkpoint {params.checkpoint}: has no linear maps to damage; take another")
        rng = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in found:
                noise = torch.randn(layer.weight.shape, generator=rng).to(layer.weight.device)
                layer.weight.copy_(change(layer.weight, noise))
        yield name, twin


def rounded(weight: Tensor, levels: int) -> Tensor:
    """The weight (O,I) on the nearest of so many even levels from each row's least to its largest entry."""
    step, zero = uniform_grid(*weight.aminmax(dim=1, keepdim=True), levels - 1)
    codes = (weight / step + zero).round().clamp(0, levels - 1)
    return (codes - zero) * step


def _changes(params: Measure) -> Iterator[tuple[str, Change]]:
    own: dict[str, list[Change]] = {
        "rounding": [lambda w, _, levels=levels: rounded(w, levels) for levels in params.levels],  # type: ignore[misc]
        "pruning": [lambda w, _, share=share: w * keep(w.abs(), share) for share in params.pruned],  # type: ignore[misc]
        "noise": [
            lambda w, noise, size=size: w + size * noise * (w.norm() / noise.norm())  # type: ignore[misc]
            for size in params.noise
        ],
    }
    for method, names in copies(params).items():
        yield from zip(names, own[method], strict=True)
