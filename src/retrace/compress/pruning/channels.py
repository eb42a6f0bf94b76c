"""Which channels structured pruners keep, and networks cut down to them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from retrace.compress.pruning.importance import magnitude
from retrace.compress.pruning.masks import full_masks, keep_best, refuse_empty
from retrace.compress.pruning.names import check_share
from retrace.nets.conv_blocks import conv_blocks, shape_of

Channels = list[Tensor]  # rows kept of each convolution, sorted
REMAINING = 0.8  # of the weights, in StructLTH's step of magnitude pruning
LEAST = 0.5  # of the share asked for is kept in every layer: one threshold for all can empty a layer


def slim(net: nn.Sequential, share: float) -> Channels:
    """Keep that share of all channels, those with the largest |scale| of their batch norm in any layer.

    Network Slimming (Liu et al., ICCV 2017). LayerLostError when a layer would lose all its channels.
    """
    scales = [m.weight.detach().abs() for m in net if isinstance(m, nn.BatchNorm2d)]
    return _keep(scales, share)


def struct_lth(net: nn.Sequential, share: float) -> Channels:
    """Keep that share of all channels, those whose weights that survive magnitude pruning are largest.

    The channels kept get all their weights back: "refilling" (Chen et al., Coarsening the Granularity, ICML
    2022). A channel's score is the mean |w| over all its entries, pruned ones as zeros, as CertifiedPruning's
    code has it.
    """
    masks = keep_best(magnitude(net), full_masks(net), REMAINING)
    scores = []
    for name, weight in magnitude(net).items():
        scores.append((weight * masks[name]).flatten(1).mean(1))
    return _keep(scores, share)


def _keep(scores: Sequence[Tensor], share: float) -> Channels:
    """Rows of the best channels of all layers together, and of each layer at least its part of `LEAST`."""
    check_share(share)
    count = max(1, round(share * sum(map(len, scores))))
    sure = [s.topk(round(LEAST * share * len(s))).indices for s in scores]
    first = torch.cat([s.index_fill(0, rows, torch.inf) for s, rows in zip(scores, sure, strict=True)])
    chosen = torch.zeros_like(first, dtype=torch.bool)
    chosen[first.topk(count).indices] = True
    rows = [part.nonzero().flatten() for part in torch.split(chosen, [len(s) for s in scores])]
    refuse_empty({str(3 * n): len(r) for n, r in enumerate(rows)}, share)
    return rows


def cut(net: nn.Sequential, channels: Channels, in_channels: int, size: int, classes: int) -> nn.Sequential:
    """A network with these channels of each convolution and all that belongs to them; values as in `net`.

    Equal to `net` with the other channels' outputs set to zero.
    """
    shape = shape_of(net)
    small = conv_blocks(
        shape.with_filters(tuple(len(c) for c in channels)), in_channels, size, classes, seed=0
    )
    arrays = dict(net.state_dict())
    reads: Tensor | None = None
    for block, rows in enumerate(channels):
        for name in ("weight", "bias"):
            if f"{3 * block}.{name}" in arrays:
                arrays[f"{3 * block}.{name}"] = arrays[f"{3 * block}.{name}"][rows]
        for name in ("weight", "bias", "running_mean", "running_var"):
            arrays[f"{3 * block + 1}.{name}"] = arrays[f"{3 * block + 1}.{name}"][rows]
        if reads is not None:
            arrays[f"{3 * block}.weight"] = arrays[f"{3 * block}.weight"][:, reads]
        reads = rows
    first = f"{3 * len(channels) + 1}.weight"
    assert reads is not None
    head = arrays[first].view(shape.hidden, shape.blocks[-1][0], -1)
    arrays[first] = head[:, reads].flatten(1)
    for place, module in enumerate(small):
        if isinstance(module, nn.Conv2d) and f"{place}.bias" in arrays:
            module.bias = nn.Parameter(arrays[f"{place}.bias"].clone())
    small.load_state_dict(arrays)
    return small.to(head.device).train(net.training)
