"""One bound with chosen slopes and split multipliers, and its gradient in closed form.

The bound is the minimum over the box of a network whose ReLUs are lines, so by Danskin's theorem its
gradient needs only the minimiser pushed forward through those lines: no automatic differentiation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retrace.verify.bounds.backward import backward
from retrace.verify.bounds.interval import Bounds
from retrace.verify.bounds.relaxation import Relaxation
from retrace.verify.domain import Box
from retrace.verify.layers import Add, Relu
from retrace.verify.network import Network


@dataclass(frozen=True)
class Splits:
    """Neurons (n, depth) held to one sign (n, depth): +1 for z >= 0, -1 for z <= 0, 0 for an unused place."""

    neuron: Tensor
    sign: Tensor

    def take(self, index: Tensor) -> Splits:
        """Of the boxes numbered in `index`."""
        return Splits(self.neuron[index], self.sign[index])


@dataclass(frozen=True)
class Evaluation:
    """A bound and what it rests on, for n boxes and their rows; hidden: all ReLU neurons in a line."""

    bound: Tensor  # (n, rows)
    coefficients: Tensor  # (n, rows, hidden): of each ReLU's output in the bound
    values: Tensor  # (n, rows, hidden): each ReLU's input at the minimiser of the relaxed network
    example: Tensor  # (n, rows, *input_shape): that minimiser

    def take(self, index: Tensor) -> Evaluation:
        """Of the boxes numbered in `index`."""
        return Evaluation(
            self.bound[index], self.coefficients[index], self.values[index], self.example[index]
        )


def hidden_sizes(net: Network, node: int) -> list[int]:
    """How many neurons each ReLU up to `node` has, in order."""
    return [math.prod(net.shape(relu)) for relu in net.relus if relu <= node]


def flat(known: Sequence[Bounds]) -> Bounds:
    """Bounds of several ReLUs as two tensors (n, hidden)."""
    return torch.cat([b[0].flatten(1) for b in known], 1), torch.cat([b[1].flatten(1) for b in known], 1)


def clip(low: Tensor, high: Tensor, splits: Splits) -> Bounds:
    """The bounds (n, hidden) once the splits hold: a zero end for every neuron held to one sign."""
    zero = torch.zeros_like(splits.neuron, dtype=low.dtype)
    infinite = torch.full_like(zero, torch.inf)
    low = low.scatter_reduce(1, splits.neuron, torch.where(splits.sign > 0, zero, -infinite), "amax")
    high = high.scatter_reduce(1, splits.neuron, torch.where(splits.sign < 0, zero, infinite), "amin")
    return torch.minimum(low, high.clamp(min=0)), torch.maximum(high, low.clamp(max=0))


def _parts(net: Network, node: int, tensor: Tensor) -> list[Tensor]:
    """(n, rows, hidden) cut into the shapes of the ReLUs up to `node`."""
    shapes = [net.shape(relu) for relu in net.relus if relu <= node]
    pieces = torch.split(tensor, hidden_sizes(net, node), 2)
    return [p.reshape(*p.shape[:2], *shape) for p, shape in zip(pieces, shapes, strict=True)]


def cut(net: Network, node: int, line: Relaxation) -> list[Relaxation]:
    """Lines (n, rows, hidden) as those of each ReLU up to `node`."""
    parts = [_parts(net, node, t) for t in (line.low, line.high, line.intercept)]
    return [Relaxation(*three) for three in zip(*parts, strict=True)]


def evaluate(
    net: Network,
    node: int,
    rows: Tensor,
    line: Relaxation,
    region: Box,
    splits: Splits | None = None,
    beta: Tensor | None = None,
) -> Evaluation:
    """Bound rows . value(node) below, rows (n or 1, rows, *shape), with lines (n, rows or 1, hidden).

    `beta` (n, depth) >= 0 are the multipliers of `splits`; then there is one row per box.
    """
    lines, kept = cut(net, node, line), dict[int, Tensor]()
    multipliers = _multipliers(net, node, line, splits, beta)  # one (n, 1, *shape) a ReLU
    bound = backward(net, node, rows, lines, region, multipliers=multipliers, kept=kept)  # (n, rows)
    example = region.centre[:, None] - region.radius[:, None] * kept[0].sign()  # (n, rows, *input_shape)
    relus = [relu for relu in net.relus if relu <= node]
    values = _forward(net, kept, dict(zip(relus, lines, strict=True)), example)
    shape = (*bound.shape, -1)
    hidden = [kept[relu].expand(*bound.shape, *net.shape(relu)).reshape(shape) for relu in relus]
    inputs = [
        values[net.source(relu)].expand(*bound.shape, *net.shape(relu)).reshape(shape) for relu in relus
    ]
    return Evaluation(bound, torch.cat(hidden, 2), torch.cat(inputs, 2), example)


def value(
    net: Network,
    node: int,
    rows: Tensor,
    line: Relaxation,
    region: Box,
    splits: Splits | None = None,
    beta: Tensor | None = None,
    slack: Sequence[Tensor] | None = None,
) -> Tensor:
    """The bound (n, rows) of `evaluate` alone, less `rounding.slack`: no pass forwards."""
    multipliers = _multipliers(net, node, line, splits, beta)
    lines = cut(net, node, line)
    return backward(net, node, rows, lines, region, multipliers=multipliers, slack=slack)


def _multipliers(
    net: Network, node: int, line: Relaxation, splits: Splits | None, beta: Tensor | None
) -> dict[int, Tensor] | None:
    if splits is None or beta is None or not splits.neuron.shape[1]:
        return None
    extra = torch.zeros_like(line.high)  # (n, 1, hidden)
    extra[:, 0].scatter_add_(1, splits.neuron, -splits.sign.to(beta.dtype) * beta)
    return dict(enumerate(_parts(net, node, extra)))


def _forward(
    net: Network, kept: dict[int, Tensor], lines: dict[int, Relaxation], example: Tensor
) -> dict[int, Tensor]:
    """The values (n, rows, *shape) of the linearised nodes at the minimiser."""
    values = {0: example}
    last = net.source(max(lines)) if lines else 0
    for number in range(1, last + 1):
        node = net.nodes[number - 1]
        if number not in kept:
            continue
        given = values[node.inputs[0]]  # (n, rows, *shape)
        if isinstance(node.operation, Add):
            values[number] = given + values[node.inputs[1]]
        elif isinstance(node.operation, Relu):
            line = lines[number]
            values[number] = torch.where(
                kept[number] >= 0, line.low * given, line.high * given + line.intercept
            )
        else:
            out = node.operation.apply(given.flatten(0, 1))  # (n * rows, *shape)
            values[number] = out.reshape(*given.shape[:2], *out.shape[1:])
    return values
