"""The small convolutional network with fewer filters: the rival that is small from the start."""

from __future__ import annotations

import torch
from torch import nn

from retrace.nets.small import WIDTHS, strides


def thin_cnn(in_channels: int, size: int, classes: int, share: float, seed: int) -> nn.Module:
    """`nets.small.cnn` with about `share` of its weights, all layers thinned alike; drawn from `seed` alone.

    Input (N, in_channels, size, size) float32; output (N, classes) logits. A convolution's weights go with
    the product of the filters before and after it, so their number falls by the root of the share.
    """
    widths = [max(2, round(width * share**0.5)) for width in WIDTHS]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body: list[nn.Module] = []
        for before, filters, stride in zip([in_channels, *widths], widths, strides(size), strict=False):
            body += [nn.Conv2d(before, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters)]
            body += [nn.ReLU(inplace=True)]
        return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))
