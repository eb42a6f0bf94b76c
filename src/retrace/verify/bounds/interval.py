"""Interval bound propagation (Gowal et al. 2018, arXiv 1810.12715), differentiable in the weights."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from retrace.verify.bounds.rounding import largest, unit
from retrace.verify.domain import Box
from retrace.verify.layers import Add, Dense, Relu
from retrace.verify.network import Network, Node
from retrace.verify.specification import margin_rows

Bounds = tuple[Tensor, Tensor]


def bounds(net: Network, region: Box) -> list[Bounds]:
    """Lower and upper bounds (n, *shape) of every node over the boxes, node 0 (the input) first."""
    found: list[Bounds] = [(region.lower, region.upper)]
    share = unit(net, region.lower.dtype)
    for node in net.nodes:
        found.append(step(node, found, share))
    return found


def step(node: Node, found: Sequence[Bounds], share: float) -> Bounds:
    """Bounds (n, *shape) of a node from those of all nodes before it; `share` as `rounding.unit` says."""
    low, high = found[node.inputs[0]]
    if isinstance(node.operation, Relu):
        return low.relu(), high.relu()
    if isinstance(node.operation, Add):
        other = found[node.inputs[1]]
        low, high = low + other[0], high + other[1]
        error = share * largest((low, high)) if share else 0.0
        return low - error, high + error
    middle, spread = node.operation.apply((low + high) / 2), node.operation.spread((high - low) / 2)
    if share:
        spread = spread + share * node.operation.size(largest((low, high)))
    return middle - spread, middle + spread


def preactivations(net: Network, region: Box) -> list[Bounds]:
    """Bounds (n, *shape) of the input of every ReLU, in the order of `net.relus`."""
    every = bounds(net, region)
    return [every[net.source(relu)] for relu in net.relus]


def margins(net: Network, region: Box, labels: Tensor) -> Tensor:
    """Lower bounds (n, classes - 1) of z_y - z_c for every other class c in rising order.

    A last linear layer is merged with the margins (the elision of Gowal et al., section 3), so that
    what both logits share cancels.
    """
    every = bounds(net, region)
    rows = margin_rows(labels, net.classes).to(region.lower.dtype)
    last = net.nodes[-1]
    if isinstance(last.operation, Dense):
        low, high = every[last.inputs[0]]
        merged = rows @ last.operation.weight
        offset = rows @ last.operation.bias
        size = last.operation.size(largest((low, high)))
    else:
        (low, high), merged, offset = every[-1], rows, rows.new_zeros(rows.shape[:2])
        size = largest((low, high))
    middle, spread = (low + high) / 2, (high - low) / 2
    if share := unit(net, low.dtype):
        offset = offset - share * (rows.abs() @ size[:, :, None])[:, :, 0]
    return offset + (merged @ middle[:, :, None] - merged.abs() @ spread[:, :, None])[:, :, 0]
