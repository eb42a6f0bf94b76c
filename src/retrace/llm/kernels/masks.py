"""Units switched off row by row, so that many pruned variants of one network share a batch.

A unit is an MLP neuron (an input channel of down_proj) or a query head (its input channels of o_proj).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retrace.llm.kernels.layers import Switch, hooked


@dataclass(frozen=True)
class UnitMasks:
    """V variants: `mlp` (V,L,I) and `heads` (V,L,H), true where a unit is kept."""

    mlp: Tensor
    heads: Tensor

    def __post_init__(self) -> None:
        """Refuse masks that are not boolean or do not belong together."""
        if self.mlp.dtype != torch.bool or self.heads.dtype != torch.bool:
            raise ValueError("unit masks must be boolean: true keeps a unit")
        if self.mlp.ndim != 3 or self.heads.ndim != 3 or self.mlp.shape[:2] != self.heads.shape[:2]:
            raise ValueError(
                f"masks {tuple(self.mlp.shape)} and {tuple(self.heads.shape)} are not (V,L,units)"
            )

    def __len__(self) -> int:
        return len(self.mlp)

    @property
    def first(self) -> int:
        """The lowest layer in which a variant lacks a unit; L when none does."""
        touched = ~(self.mlp.all(2) & self.heads.all(2)).all(0)
        return int(touched.nonzero()[0]) if bool(touched.any()) else self.mlp.shape[1]


def nothing_masked(net: Any, variants: int = 1) -> UnitMasks:
    """Masks that keep every unit of `net`."""
    config = net.config
    layers = len(net.model.layers)
    return UnitMasks(
        torch.ones(variants, layers, config.intermediate_size, dtype=torch.bool),
        torch.ones(variants, layers, config.num_attention_heads, dtype=torch.bool),
    )


@contextmanager
def masked(net: Any, masks: UnitMasks, variant: Sequence[int]) -> Iterator[Switch]:
    """For the time of a block, row r of the caller is computed by variant `variant[r]`.

    Yields the switch that a kernel must be given. Layers that no variant touches are left alone.
    """
    device, dtype = net.model.embed_tokens.weight.device, net.model.embed_tokens.weight.dtype
    of_row = torch.tensor(list(variant), device=device)
    width = net.model.layers[0].self_attn.o_proj.in_features // masks.heads.shape[2]
    now = of_row[:0]

    def switch(rows: Sequence[int]) -> None:
        nonlocal now
        now = of_row[torch.tensor(list(rows), device=device)]

    def hook(keep: Tensor) -> Any:
        def multiply(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            if len(inputs[0]) != len(now):
                raise RuntimeError("the kernel did not tell the masks which rows its batch holds")
            return (inputs[0] * keep[now][:, None], *inputs[1:])

        return multiply

    places = []
    for number, layer in enumerate(net.model.layers):
        mlp, heads = masks.mlp[:, number], masks.heads[:, number]
        if not bool(mlp.all()):
            places.append((layer.mlp.down_proj, hook(mlp.to(device, dtype))))
        if not bool(heads.all()):
            wide = heads.repeat_interleave(width, 1)
            places.append((layer.self_attn.o_proj, hook(wide.to(device, dtype))))
    with hooked(places):
        yield switch


@torch.no_grad()
def prune(net: Any, mlp: Tensor, heads: Tensor) -> None:
    """Switch units off for good, in place: `mlp` (L,I) and `heads` (L,H) are true where a unit is kept.

    Zeroes the columns of down_proj and o_proj and the rows of gate_proj, up_proj and q_proj that feed them;
    rows of k_proj and v_proj only when all query heads of their group go.
    """
    for layer, kept, kept_heads in zip(net.model.layers, mlp, heads, strict=True):
        attention = layer.self_attn
        gone = ~kept
        layer.mlp.down_proj.weight[:, gone] = 0
        layer.mlp.gate_proj.weight[gone] = 0
        layer.mlp.up_proj.weight[gone] = 0
        width = attention.o_proj.in_features // len(kept_heads)
        wide = (~kept_heads).repeat_interleave(width)
        attention.o_proj.weight[:, wide] = 0
        attention.q_proj.weight[wide] = 0
        groups = attention.k_proj.out_features // width
        lost = (~kept_heads).view(groups, -1).all(1).repeat_interleave(width)
        attention.k_proj.weight[lost] = 0
        attention.v_proj.weight[lost] = 0
