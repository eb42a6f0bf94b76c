"""Layers that have no bound of their own, as affine maps, ReLUs and sums of two nodes.

Pooling by maximum, leaky slopes, |x| and clipping are exact: with the triangle relaxation of their ReLUs a
leaky slope and |x| get the tightest lines that there are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from retrace.verify.builder import Builder
from retrace.verify.layers import Add, Convolution, Relu, Shape
from retrace.verify.rearrange import Rearrange

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]  # top, left, bottom, right


def convolution(
    weight: Tensor,
    bias: Tensor,
    stride: Pair = (1, 1),
    pads: Pads = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Convolution:
    """A convolution of one group, undilated and padded alike on opposite sides: zeros in the kernel do the
    rest. `weight` (out, in / groups, kh, kw)."""
    out, some, high, wide = weight.shape
    full = weight.new_zeros(out, some * groups, high, wide)
    for group in range(groups):
        rows = slice(group * (out // groups), (group + 1) * (out // groups))
        full[rows, group * some : (group + 1) * some] = weight[rows]
    spread = full.new_zeros(out, some * groups, (high - 1) * dilation[0] + 1, (wide - 1) * dilation[1] + 1)
    spread[:, :, :: dilation[0], :: dilation[1]] = full
    top, left, bottom, right = pads
    padding = (max(top, bottom), max(left, right))
    missing = (padding[1] - left, padding[1] - right, padding[0] - top, padding[0] - bottom)
    return Convolution(functional.pad(spread, missing), bias, stride, padding)


def average_pool(channels: int, kernel: Pair, stride: Pair, pads: Pads = (0, 0, 0, 0)) -> Convolution:
    """The mean of every window, padding counted as zeros."""
    weight = torch.full((channels, 1, *kernel), 1 / (kernel[0] * kernel[1]), dtype=torch.float64)
    return convolution(weight, weight.new_zeros(channels), stride, pads, groups=channels)


def max_pool(
    builder: Builder,
    source: int,
    name: str,
    kernel: Pair,
    stride: Pair,
    pads: Pads = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
) -> int:
    """The largest value of every window of node `source` (channels, height, width); padding never wins.

    Errors: ValueError for a window that lies in the padding, or one larger than the map.
    """
    shape = builder.shapes[source]
    numbers = torch.arange(1, 1 + shape[0] * shape[1] * shape[2], dtype=torch.float64).reshape(1, *shape)
    top, left, bottom, right = pads
    padded = functional.pad(numbers, (left, right, top, bottom))
    reach = [(kernel[k] - 1) * dilation[k] + 1 for k in (0, 1)]
    if reach[0] > padded.shape[2] or reach[1] > padded.shape[3]:
        raise ValueError(f"{name}: windows of {kernel} on a map of shape {shape}: give it a larger input")
    size = [(padded.shape[2 + k] - reach[k]) // stride[k] + 1 for k in (0, 1)]
    windows = functional.unfold(padded, kernel, dilation, stride=stride)
    index = windows.reshape(shape[0], kernel[0] * kernel[1], -1).transpose(0, 1).flatten(1).long()
    real = index.amax(0)
    if bool((real == 0).any()):
        raise ValueError(f"{name}: a window holds nothing but padding: give it less padding")
    return largest(
        builder, source, torch.where(index > 0, index, real) - 1, (shape[0], size[0], size[1]), name
    )


def largest(builder: Builder, source: int, index: Tensor, shape: Shape, name: str) -> int:
    """The largest of the flat entries index[:, k] of node `source` for every k: `index` (candidates, k), the
    result in `shape`. max(a, b) = b + relu(a - b), in rounds of pairs."""
    while len(index) > 1:
        half = len(index) // 2
        builder.shared.add(source)
        first, second = (part.flatten() for part in (index[:half], index[half : 2 * half]))
        if len(index) % 2:  # the odd one out meets itself
            first, second = torch.cat([first, index[-1]]), torch.cat([second, index[-1]])
        a = builder.append(Rearrange(first, (len(first),)), (source,), name)
        b = builder.append(Rearrange(second, (len(second),)), (source,), name)
        source = maximum(builder, a, b, name)
        index = torch.arange(len(first)).reshape(-1, index.shape[1])
    return builder.append(Rearrange(index[0], shape), (source,), name)


def maximum(builder: Builder, a: int, b: int, name: str) -> int:
    """max(a, b) of two nodes of one shape."""
    builder.shared |= {a, b}
    excess = builder.append(Add(), (a, times(builder, b, -1.0, name)), name)
    return builder.append(Add(), (b, relu(builder, excess, name)), name)


def relu(builder: Builder, source: int, name: str) -> int:
    """A ReLU; one that would read the input itself reads a copy, since bounds name what a ReLU reads."""
    if not source:
        shape = builder.shapes[0]
        source = builder.append(Rearrange(torch.arange(math.prod(shape)), shape), (0,), name)
    return builder.append(Relu(None), (source,), name)


def leaky(builder: Builder, source: int, slope: float | Tensor, name: str) -> int:
    """The slope below zero, a number or one a channel (channels,): slope x + (1 - slope) relu(x)."""
    builder.shared.add(source)
    straight = times(builder, source, slope, name)
    bent = times(builder, relu(builder, source, name), 1 - slope, name)
    return builder.append(Add(), (straight, bent), name)


def clip(builder: Builder, source: int, low: float | None, high: float | None, name: str) -> int:
    """min(max(x, low), high), an end left out where None: low + relu(x - low) - relu(x - high).

    Errors: ValueError where low is above high.
    """
    if low is not None and high is not None and low > high:
        raise ValueError(f"{name}: clips to at least {low:g} and at most {high:g}: swap the ends")
    builder.shared.add(source)
    parts = []
    if low is None and high is None:
        return source
    if low is None:
        parts.append(source)
    else:
        rest = relu(builder, plus(builder, source, -low, name), name)
        parts.append(plus(builder, rest, low, name))
    if high is not None:
        over = relu(builder, plus(builder, source, -high, name), name)
        parts.append(times(builder, over, -1.0, name))
    return builder.append(Add(), (parts[0], parts[1]), name) if len(parts) == 2 else parts[0]


def times(builder: Builder, source: int, factor: float | Tensor, name: str) -> int:
    """`factor`, a number or one a channel (channels,), times the node."""
    weight = torch.as_tensor(factor, dtype=torch.float64).expand(builder.shapes[source][0]).clone()
    return builder.scale(weight, torch.zeros_like(weight), source, name)


def plus(builder: Builder, source: int, shift: float, name: str) -> int:
    """The node plus a number."""
    bias = torch.full((builder.shapes[source][0],), shift, dtype=torch.float64)
    return builder.scale(torch.ones_like(bias), bias, source, name)
