"""Which entries of a network are reset and frozen: its LayerNorms', or as many others as a control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from retrace.nets.layernorms import Group, Norm, find, in_group, layer_of, reset
from retrace.stage import StageError

Kind = Literal["none", "norms", "random", "others"]


@dataclass(frozen=True)
class Held:
    """Flat entries of one parameter that stay as they are while the rest is trained."""

    parameter: nn.Parameter
    entries: Tensor
    values: Tensor

    @torch.no_grad()
    def put_back(self) -> None:
        """Undo what an optimiser did to the entries."""
        self.parameter.view(-1)[self.entries] = self.values


@dataclass(frozen=True)
class Applied:
    """What `apply` did: entries to hold, parameters that are frozen whole, and how many entries these are."""

    held: list[Held]
    entries: int


def apply(
    net: nn.Module, kind: Kind, group: Group, zero: bool, freeze: bool, ends: bool, seed: int
) -> Applied:
    """Reset (`zero`), freeze, or both: LayerNorms of a group of layers, or as many entries there.

    `random`: entries of any weight drawn by `seed`, frozen as they are (never reset); `others`: biases of
    linear maps, or, where there are too few, entries of the attention's output; reset means 0.
    Errors: StageError for layers that cannot be cut in three, or too few entries of that kind.
    """
    norms = in_group(find(net), group, ends)
    if kind == "none":
        return Applied([], 0)
    count = sum(p.numel() for norm in norms for p in norm.parameters.values())
    if kind == "norms":
        _norms(norms, zero, freeze)
        return Applied([], count)
    layers = {norm.layer for norm in norms if norm.layer is not None}
    chosen = _draw(_candidates(net, kind, layers, count), count, seed)
    held = []
    for parameter, entries in chosen:
        if zero and kind == "others":
            with torch.no_grad():
                parameter.view(-1)[entries] = 0.0
        if freeze:
            held.append(Held(parameter, entries, parameter.detach().view(-1)[entries].clone()))
    return Applied(held, count)


def _norms(norms: Sequence[Norm], zero: bool, freeze: bool) -> None:
    for norm in norms:
        if zero:
            reset(norm)
        for values in norm.parameters.values():
            values.requires_grad_(not freeze)


def _candidates(net: nn.Module, kind: Kind, layers: set[int], count: int) -> list[nn.Parameter]:
    norms = {name for norm in find(net) for name in norm.parameters}
    inside = {n: p for n, p in net.named_parameters() if n not in norms and layer_of(n) in layers}
    if kind == "random":
        return list(inside.values())
    biases = [p for name, p in inside.items() if name.endswith("bias")]
    if sum(p.numel() for p in biases) >= count:
        return biases
    named = (
        "attention.output.dense.weight",
        "o_proj.weight",
        "out_proj.weight",
        "c_proj.weight",
        "proj.weight",
    )
    return [p for name, p in inside.items() if name.endswith(named)]


def _draw(among: list[nn.Parameter], count: int, seed: int) -> list[tuple[nn.Parameter, Tensor]]:
    sizes = [p.numel() for p in among]
    if sum(sizes) < count:
        raise StageError(
            f"a control of {count} entries: there are only {sum(sizes)} of that kind; leave it out"
        )
    rng = torch.Generator().manual_seed(seed)
    flat = torch.randperm(sum(sizes), generator=rng)[:count].sort().values
    made, start = [], 0
    for parameter, size in zip(among, sizes, strict=True):
        own = flat[(flat >= start) & (flat < start + size)] - start
        if len(own):
            made.append((parameter, own.to(parameter.device)))
        start += size
    return made
