"""Local bounds of convolution neurons: one sees a patch, so it is bounded as a small network on patches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from retrace.verify.blocks import entries
from retrace.verify.bounds.interval import Bounds
from retrace.verify.bounds.rounding import unit
from retrace.verify.domain import Box
from retrace.verify.layers import Convolution, Operation, Relu, Shape
from retrace.verify.network import Network, Node

BLOCK = 250_000  # entries of the largest temporary: what stays in a processor's cache beats what does not
Pair = tuple[int, int]
Rows = Callable[[Tensor], Tensor]
Bounder = Callable[[Network, int, list[Bounds], Box], Rows]


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
        """Lower and upper bounds (n, channels, height, width); positions without a wanted neuron stay 0."""
        n, channels = wanted.shape[:2]
        places = wanted.any(1).flatten().nonzero()[:, 0]
        eye = torch.eye(channels, dtype=self.region.lower.dtype, device=wanted.device)
        rows = torch.cat([eye, -eye]).reshape(1, 2 * channels, *self.net.shape(self.net.output))
        last = self.net.nodes[-1]  # a convolution, whose rows are the same at every place: pulled back once
        assert isinstance(last.operation, Convolution)
        before = last.inputs[0]
        pulled = last.operation.pull(rows[0], self.net.shape(before))[None]
        offset = last.operation.offset(rows[0])
        offset = offset - unit(self.net, offset.dtype) * offset.abs()
        both = rows.new_zeros(n * self.grid[0] * self.grid[1], 2 * channels)
        largest = max(math.prod(self.net.shape(k)) for k in range(self.net.output))
        together = max(1, entries(wanted.device, BLOCK) // (2 * channels * largest))
        for some in torch.split(places, together) if len(places) else ():
            known = [(low[some], high[some]) for low, high in self.known]
            both[some] = offset + bounder(self.net, before, known, self.region.take(some))(pulled)
        both = both.reshape(n, *self.grid, 2 * channels).permute(0, 3, 1, 2)
        return both[:, :channels], -both[:, channels:]


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
