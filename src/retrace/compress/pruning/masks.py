"""Masks over the convolution weights of a network, and how much they keep."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from retrace.compress.pruning.names import check_share
from retrace.stage import StageError

Masks = dict[str, Tensor]  # name of a parameter -> True where it is kept, of its shape


class LayerLostError(StageError):
    """So little is to be kept that a layer would have no channel left; a larger share can be pruned to."""


def prunable(net: nn.Sequential) -> dict[str, Tensor]:
    """The weights that pruners may drop: those of all convolutions, by name."""
    return {f"{n}.weight": m.weight.detach() for n, m in net.named_children() if isinstance(m, nn.Conv2d)}


def full_masks(net: nn.Sequential) -> Masks:
    """Masks that keep everything."""
    return {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in prunable(net).items()}


def kept_share(masks: Mapping[str, Tensor]) -> float:
    """Share of the prunable weights that is kept, in [0, 1]."""
    return sum(int(m.sum()) for m in masks.values()) / sum(m.numel() for m in masks.values())


def keep_best(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], share: float) -> Masks:
    """Keep that share of all weights, those of highest score in any layer; what is pruned stays pruned.

    LayerLostError when a layer would lose all its weights, since the network would then be constant;
    StageError for a score that is not a number.
    """
    check_share(share)
    total = sum(m.numel() for m in masks.values())
    count = min(max(1, round(share * total)), sum(int(m.sum()) for m in masks.values()))
    flat = torch.cat([scores[name].masked_fill(~mask, -torch.inf).flatten() for name, mask in masks.items()])
    if torch.isnan(flat).any():
        raise StageError("pruning: a score is not a number; the network it comes from did not train")
    chosen = torch.zeros_like(flat, dtype=torch.bool)
    chosen[flat.topk(count).indices] = True
    parts = torch.split(chosen, [m.numel() for m in masks.values()])
    kept = {name: part.view_as(masks[name]) for (name, part) in zip(masks, parts, strict=True)}
    refuse_empty({name: int(mask.sum()) for name, mask in kept.items()}, share)
    return kept


def keep_as_many(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Masks:
    """Keep as many weights of each layer as `masks` does, those of highest score."""
    kept = {}
    for name, mask in masks.items():
        flat = torch.zeros_like(mask).flatten()
        flat[scores[name].flatten().topk(int(mask.sum())).indices] = True
        kept[name] = flat.view_as(mask)
    return kept


def refuse_empty(counts: Mapping[str, int], share: float) -> None:
    """LayerLostError naming the first layer of which nothing is left."""
    for name, count in counts.items():
        if not count:
            raise LayerLostError(
                f"pruning to a share of {share:g}: layer {name.partition('.')[0]} would lose all its "
                "channels; keep a larger share"
            )
