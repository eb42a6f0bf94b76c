"""Take out the channels that a pruned network no longer needs; the function stays the same."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from retrace.compress.pruning.channels import cut
from retrace.compress.pruning.masks import LayerLostError


@torch.no_grad()
def compressed(net: nn.Sequential, in_channels: int, size: int) -> nn.Sequential:
    """A smaller network with the logits of `net` (in evaluation mode), up to rounding.

    A channel goes when nothing reads it, or when it is constant: all its weights are zero, or its norm's
    scale is. A constant that is not zero moves into the bias of the linear layer that reads it, or of a
    convolution without padding; before a padded convolution it is not the same everywhere and must stay.
    LayerLostError when a layer has no channel left that depends on the image.
    """
    net = copy.deepcopy(net).eval()
    classes = next(m for m in reversed(list(net)) if isinstance(m, nn.Linear)).out_features
    while True:
        keep = _needed(net)
        if all(len(rows) == c.out_channels for rows, c in zip(keep, _convs(net), strict=True)):
            return net
        net = cut(net, keep, in_channels, size, classes).eval()


def _convs(net: nn.Sequential) -> list[nn.Conv2d]:
    return [m for m in net if isinstance(m, nn.Conv2d)]


def _needed(net: nn.Sequential) -> list[Tensor]:
    """Rows of each convolution that must stay; folds the constants of the others into what reads them."""
    keep = []
    for place, module in reversed(list(enumerate(net))):
        if not isinstance(module, nn.Conv2d):
            continue
        norm = net[place + 1]
        assert isinstance(norm, nn.BatchNorm2d)
        fixed, value = _constants(module, norm)
        reader = next(m for m in list(net)[place + 1 :] if isinstance(m, nn.Conv2d | nn.Linear))
        weight = reader.weight.view(reader.weight.shape[0], module.out_channels, -1)
        padded = isinstance(reader, nn.Conv2d) and int(reader.padding[0]) > 0
        unread = (weight == 0).all(2).all(0)
        gone = unread | (fixed & ((value == 0) | torch.tensor(not padded, device=value.device)))
        if bool((gone | fixed).all()):
            raise LayerLostError(f"layer {place} has lost all its channels; prune less")
        shift = weight.sum(2) @ (value * (gone & fixed))
        if bool((shift != 0).any()):
            _add_bias(reader, shift)
        keep.append((~gone).nonzero().flatten())
    return keep[::-1]


def _constants(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Which channels do not depend on the image, and what their ReLU gives then."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = torch.zeros_like(norm.bias) if conv.bias is None else conv.bias
    fixed = (conv.weight.flatten(1) == 0).all(1) | (norm.weight == 0)
    return fixed, torch.where(fixed, ((bias - norm.running_mean) * scale + norm.bias).relu(), 0.0)


def _add_bias(reader: nn.Conv2d | nn.Linear, shift: Tensor) -> None:
    old = torch.zeros_like(shift) if reader.bias is None else reader.bias
    reader.bias = nn.Parameter(old + shift)
