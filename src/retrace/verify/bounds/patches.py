"""Local bounds of convolution neurons: one sees a patch, so it is bounded as a small network on patches."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from retrace.verify.bounds.interval import Bounds
from retrace.verify.bounds.rounding import unit
from retrace.verify.bounds.wanted import Bounder, Rows, wanted_bounds
from retrace.verify.domain import Box
from retrace.verify.layers import Convolution, Operation, Relu, Shape
from retrace.verify.network import Network, Node

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Where the patches of a grid of neurons lie in one node's map: size, step and padding."""

    kernel: Pair
    stride: Pair
    padding: Pair

    def before(self, layer: Convolution) -> Window:
        """The window one convolution further back."""
        size, step, pad = layer.weight.shape[2:], layer.stride, layer.padding
        return Window(
            _pair((self.kernel[k] - 1) * step[k] + size[k] for k in (0, 1)),
            _pair(self.stride[k] * step[k] for k in (0, 1)),
            _pair(self.padding[k] * step[k] + pad[k] for k in (0, 1)),
        )

    def cut(self, maps: Tensor, grid: Pair) -> Tensor:
        """Patches (n x grid, channels, *kernel) of maps (n, channels, height, width), zero outside."""
        n, channels = maps.shape[:2]
        columns = functional.unfold(maps, self.kernel, padding=self.padding, stride=self.stride)
        across = (maps.shape[3] + 2 * self.padding[1] - self.kernel[1]) // self.stride[1] + 1
        columns = columns.reshape(n, channels * self.kernel[0] * self.kernel[1], -1, across)
        columns = columns[:, :, : grid[0], : grid[1]].permute(0, 2, 3, 1)
        return columns.reshape(-1, channels, *self.kernel)


def _pair(values: Iterable[int]) -> Pair:
    first, second = values
    return first, second


@dataclass(frozen=True)
class Patches:
    """A network on patches that ends in one position of a convolution's map, its boxes and known bounds."""

    net: Network
    known: list[Bounds]
    region: Box
    grid: Pair

    def bounds(self, wanted: Tensor, bounder: Bounder) -> Bounds:
        """Lower and upper bounds (n, channels, height, width) of the neurons set in `wanted`."""
        n, channels = wanted.shape[:2]
        eye = torch.eye(channels, dtype=self.region.lower.dtype, device=wanted.device)
        eye = eye.reshape(channels, *self.net.shape(self.net.output))
        last = self.net.nodes[-1]  # a convolution, whose rows are the same at every place: pulled back once
        assert isinstance(last.operation, Convolution)
        before = last.inputs[0]
        pulled = last.operation.pull(eye, self.net.shape(before))
        both = torch.cat([pulled, -pulled])
        offset = last.operation.offset(eye)
        error = unit(self.net, offset.dtype) * offset.abs()
        largest = max(math.prod(self.net.shape(k)) for k in range(self.net.output))

        def bound_of(some: Tensor) -> Rows:
            known = [(low[some], high[some]) for low, high in self.known]
            return bounder(self.net, before, known, self.region.take(some))

        def rows_of(neurons: Tensor) -> Tensor:
            return both[torch.cat([neurons, neurons + channels], 1)]

        places = wanted.permute(0, 2, 3, 1).reshape(-1, channels)
        low, high = wanted_bounds(places, pulled, largest, rows_of, bound_of)
        low, high = low + offset - error, high + offset + error
        low, high = (t.reshape(n, *self.grid, channels).permute(0, 3, 1, 2) for t in (low, high))
        return low, high


def patches(net: Network, number: int, known: list[Bounds], region: Box) -> Patches | None:
    """The network on patches for node `number`, or None where whole maps are the better way.

    `known` bounds the ReLU inputs in front of the node. It needs a chain of convolutions with a ReLU before
    each but the first, and patches no larger than the maps.
    """
    if len(net.shape(number)) != 3:
        return None
    order = {relu: k for k, relu in enumerate(net.relus)}
    window, grid = Window((1, 1), (1, 1), (0, 0)), _pair(net.shape(number)[1:])
    chain: list[tuple[Operation, Shape]] = []
    local: list[Bounds] = []
    while number:
        node, shape = net.nodes[number - 1], (net.shape(number)[0], *window.kernel)
        source = node.inputs[0]
        if isinstance(node.operation, Convolution):
            if source and not isinstance(net.nodes[source - 1].operation, Relu):
                return None
            layer = node.operation
            chain.append((Convolution(layer.weight, layer.bias, layer.stride, (0, 0)), shape))
            window = window.before(layer)
            if window.kernel[0] > net.shape(source)[1] or window.kernel[1] > net.shape(source)[2]:
                return None
        elif isinstance(node.operation, Relu):
            low, high = known[order[number]]
            outside = 1 - window.cut(torch.ones_like(low), grid)
            local.append((window.cut(low, grid) - outside, window.cut(high, grid)))  # padding: off
            chain.append((node.operation, shape))
        else:
            return None
        number = source
    if not local:  # affine in the input: intervals are exact already
        return None
    nodes = [Node(operation, (k,), shape) for k, (operation, shape) in enumerate(reversed(chain))]
    cut = Box(window.cut(region.lower, grid), window.cut(region.upper, grid))
    return Patches(Network(tuple(nodes), tuple(cut.lower.shape[1:])), local[::-1], cut, grid)
