"""The normalisation layers of a transformer: found by type, told apart by layer and group, reset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from retrace.stage import StageError

Group = Literal["all", "early", "middle", "late"]
GROUPS = ("early", "middle", "late")
_NUMBERED = re.compile(r"\.(\d+)\.")


@dataclass(frozen=True)
class Norm:
    """A LayerNorm or RMSNorm with its parameters; `layer` is None for those of embedding and end."""

    name: str
    module: nn.Module
    layer: int | None

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """Weight and, where there is one, bias, by their names in the network."""
        return {f"{self.name}.{n}": p for n, p in self.module.named_parameters(recurse=False)}


def find(net: nn.Module) -> list[Norm]:
    """Every normalisation layer with a weight, layer by layer, LN1 before LN2; those of no layer come last.

    A module counts by its type: `nn.LayerNorm`, or a class whose name ends in LayerNorm or RMSNorm.
    Errors: StageError, one line, when there is none, or when layers do not have the same number of them.
    """
    found = [Norm(name, part, layer_of(name)) for name, part in net.named_modules() if _is_norm(part)]
    inner = [norm for norm in found if norm.layer is not None]
    if not inner:
        raise StageError(f"{type(net).__name__}: no LayerNorm in any layer; take a transformer that has some")
    counts = {norm.layer: sum(o.layer == norm.layer for o in inner) for norm in inner}
    if len(set(counts.values())) > 1:
        raise StageError(f"{type(net).__name__}: its layers have unlike numbers of LayerNorms {counts}")
    inner.sort(key=lambda norm: norm.layer or 0)  # stable: LN1 stays before LN2
    return [*inner, *(norm for norm in found if norm.layer is None)]


def layer_of(name: str) -> int | None:
    """The number of the layer that a module or parameter of that name is in, None outside all layers."""
    found = _NUMBERED.search(f".{name}.")
    return int(found.group(1)) if found else None


def group_layers(layers: int, group: Group) -> range:
    """Layers, counted from 0, of a third: early, middle or late; or all.

    Errors: StageError when `layers` is not divisible by 3.
    """
    if group == "all":
        return range(layers)
    if layers % 3:
        raise StageError(f"{layers} layers cannot be cut into early, middle and late: take a multiple of 3")
    third, place = layers // 3, GROUPS.index(group)
    return range(place * third, (place + 1) * third)


def in_group(norms: Sequence[Norm], group: Group, ends: bool = True) -> list[Norm]:
    """Norms of a group of layers; `ends`: those of embedding and end belong to "all" (to no other group)."""
    layers = group_layers(len({norm.layer for norm in norms if norm.layer is not None}), group)
    outside = group == "all" and ends
    return [norm for norm in norms if (norm.layer in layers if norm.layer is not None else outside)]


@torch.no_grad()
def reset(norm: Norm) -> None:
    """Scale 1 and shift 0, in place: what is left is the normalisation itself."""
    for name, values in norm.parameters.items():
        nn.init.constant_(values, 0.0 if name.endswith("bias") else 1.0)


@torch.no_grad()
def distance_from_reset(norms: Sequence[Norm]) -> dict[str, float]:
    """Mean |w - 1| (`scale`) and mean |b| (`shift`, 0 where there is none): what a reset takes away."""
    scales: list[Tensor] = []
    shifts: list[Tensor] = []
    for norm in norms:
        for name, values in norm.parameters.items():
            (shifts if name.endswith("bias") else scales).append(values.detach().flatten())
    return {"scale": _mean([w - 1 for w in scales]), "shift": _mean(shifts)}


def _mean(parts: list[Tensor]) -> float:
    return float(torch.cat(parts).abs().double().mean()) if parts else 0.0


def _is_norm(part: nn.Module) -> bool:
    kind = type(part).__name__
    named = kind.endswith(("LayerNorm", "RMSNorm"))
    return (isinstance(part, nn.LayerNorm) or named) and getattr(part, "weight", None) is not None
