"""The small networks of the laptop scale: a three-layer CNN and a multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

WIDTHS = (16, 32, 64)


def strides(size: int) -> tuple[int, int, int]:
    """Strides of the CNN's three convolutions for square images of `size` pixels."""
    return (2, 2, 1) if size >= 16 else (1, 2, 1)


def cnn(in_channels: int, size: int, classes: int) -> nn.Module:
    """Three 3x3 convolutions (16, 32, 64 filters; batch norm, ReLU), global mean, linear head.

    Input (N, in_channels, size, size) float32; output (N, classes) logits.
    """
    body: list[nn.Module] = []
    width = in_channels
    for filters, stride in zip(WIDTHS, strides(size), strict=True):
        body += [nn.Conv2d(width, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters)]
        body += [nn.ReLU(inplace=True)]
        width = filters
        size = (size - 1) // stride + 1
    # A pooling window of the map's own size keeps the channels-last layout in the backward pass;
    # AdaptiveAvgPool2d(1) does not, and makes a training step on a CPU an eighth slower.
    return nn.Sequential(*body, nn.AvgPool2d(size), nn.Flatten(), nn.Linear(width, classes))


def mlp(in_channels: int, size: int, classes: int, hidden: Sequence[int] = (128, 64)) -> nn.Module:
    """Multilayer perceptron with ReLU on flattened images; output (N, classes) logits."""
    widths = [in_channels * size * size, *hidden]
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))
