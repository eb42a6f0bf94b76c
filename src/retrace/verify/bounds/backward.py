"""The backward pass of CROWN: a linear lower bound of rows over any node, pulled back to the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from retrace.verify.bounds.relaxation import Relaxation
from retrace.verify.domain import Box
from retrace.verify.layers import Add, Relu
from retrace.verify.network import Network


def backward(
    net: Network,
    node: int,
    rows: Tensor,
    relaxations: Sequence[Relaxation],
    region: Box,
    *,
    multipliers: Mapping[int, Tensor] | None = None,
    kept: dict[int, Tensor] | None = None,
    slack: Sequence[Tensor] | None = None,
) -> Tensor:
    """Lower bounds (n, rows) of rows . value(node) over n boxes.

    `rows` (n or 1, rows, *shape of the node); `relaxations` one per ReLU in front of the node, in order.
    `multipliers` adds (n, rows, *shape) to the coefficients of the inputs of ReLU number k (the split terms
    of beta-CROWN, Wang et al. 2021, arXiv 2103.06624). `kept` receives the coefficients on each node's value.
    `slack` (n, *shape) of each node, where given, is taken off by |coefficient| (`rounding.slack`).
    """
    order = {relu: k for k, relu in enumerate(net.relus)}
    waiting = {node: rows}
    total = rows.new_zeros(rows.shape[:2])  # (n or 1, rows)
    for number in range(node, 0, -1):
        row = waiting.pop(number, None)  # (n or 1, rows, *shape of the node)
        if row is None:
            continue
        if kept is not None:
            kept[number] = row
        if slack is not None:
            total = total - dot(row.abs(), slack[number][:, None])
        here = net.nodes[number - 1]
        source = here.inputs[0]
        if isinstance(here.operation, Add):
            _receive(waiting, here.inputs[1], row)
        elif isinstance(here.operation, Relu):
            line = relaxations[order[number]]
            negative = row.clamp(max=0)  # as row
            total = total + dot(negative, line.intercept)  # (n, rows)
            row = (row * line.low).addcmul_(negative, line.high - line.low)
            if multipliers is not None:
                row = row + multipliers[order[number]]
        else:
            flat = row.flatten(0, 1)  # (n * rows, *shape)
            total = total + here.operation.offset(flat).reshape(row.shape[:2])
            row = here.operation.pull(flat, net.shape(source)).reshape(*row.shape[:2], *net.shape(source))
        _receive(waiting, source, row)
    last = waiting[0]  # (n or 1, rows, *input_shape)
    if kept is not None:
        kept[0] = last
    radius = region.radius if slack is None else region.radius + slack[0]
    return total + dot(last, region.centre[:, None]) - dot(last.abs(), radius[:, None])


def _receive(waiting: dict[int, Tensor], node: int, row: Tensor) -> None:
    waiting[node] = waiting[node] + row if node in waiting else row


def dot(rows: Tensor, values: Tensor) -> Tensor:
    """Inner products (n, rows) of rows (n or 1, rows, *shape) with values (n or 1, rows or 1, *shape)."""
    a, b = rows.flatten(2), values.flatten(2)  # (n or 1, rows, k), (n or 1, rows or 1, k)
    if b.shape[1] > 1:
        return (a * b).sum(2)  # (n, rows)
    if a.shape[0] == 1:
        return b[:, 0] @ a[0].T  # (n, rows)
    if b.shape[0] == 1:
        return a @ b[0, 0]  # (n, rows)
    return (a @ b.transpose(1, 2))[:, :, 0]  # (n, rows)
