"""A network put together node by node: shapes are worked out, what does not fit is one line."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from retrace.verify.layers import Add, Convolution, Dense, Operation, Relu, Scale, Shape
from retrace.verify.network import Network, Node


class Builder:
    """Nodes so far; with `batch` (n, *input_shape) also their values on it."""

    def __init__(self, input_shape: Shape, batch: Tensor | None = None) -> None:
        self.shapes, self.values = [tuple(input_shape)], [batch]
        self.nodes: list[Node] = []
        self.names: list[str] = []  # of the layer that made each node
        self.shared: set[int] = set()  # numbers of nodes that several read: nothing folds into them

    @classmethod
    def onto(cls, net: Network) -> Builder:
        """The network's own nodes, to go on from."""
        made = cls(net.input_shape)
        made.nodes, made.names = list(net.nodes), [f"node {k + 1}" for k in range(net.output)]
        made.shapes += [node.shape for node in net.nodes]
        made.values += [None] * net.output
        return made

    def network(self, dtype: torch.dtype) -> Network:
        """The network, its last node the output.

        Errors: ValueError for an output that is not flat, or a weight that is no finite number in `dtype`.
        """
        if len(self.shapes[-1]) != 1:
            raise ValueError(
                f"the network's output has shape {self.shapes[-1]}: end it with Flatten or Linear"
            )
        net = Network(tuple(self.nodes), self.shapes[0]).to(dtype)
        for name, node in zip(self.names, net.nodes, strict=True):
            if isinstance(node.operation, Dense | Convolution | Scale):
                finite(f"{name}, folded, in {dtype}", node.operation.weight, node.operation.bias)
        return net

    def append(self, operation: Operation, inputs: tuple[int, ...], name: str) -> int:
        """Add a node that reads the nodes `inputs`; its number.

        Errors: ValueError where the operation does not fit the shape it reads.
        """
        given = [self.values[k] for k in inputs]
        if isinstance(operation, Add):
            shape, value = self.shapes[inputs[0]], None if given[0] is None else given[0] + _real(given[1])
        elif isinstance(operation, Relu):
            shape, value = self.shapes[inputs[0]], None if given[0] is None else given[0].relu()
        else:
            try:
                shape = tuple(operation.apply(_trial(operation, self.shapes[inputs[0]])).shape[1:])
            except RuntimeError:
                raise ValueError(misfit(name, operation, self.shapes[inputs[0]])) from None
            value = None if given[0] is None else operation.apply(given[0])
        self.nodes.append(Node(operation, inputs, shape))
        self.names.append(name)
        self.shapes.append(shape)
        self.values.append(value)
        return len(self.nodes)

    def scale(self, weight: Tensor, bias: Tensor, source: int, name: str) -> int:
        """weight * value + bias of node `source`, (channels,) each: folded into the last layer where only
        this reads it. The number of the node that holds it."""
        before = self.nodes[source - 1].operation if source else None
        last = source == len(self.nodes) and source not in self.shared
        if not (isinstance(before, Dense | Convolution) and last):
            return self.append(Scale(weight, bias), (source,), name)
        wide = weight.reshape(-1, *[1] * (before.weight.ndim - 1))
        folded = replace(before, weight=before.weight * wide, bias=before.bias * weight + bias)
        self.nodes[source - 1] = replace(self.nodes[source - 1], operation=folded)
        value = self.values[source]
        self.values[source] = None if value is None else Scale(weight, bias).apply(value)
        return source


def finite(name: str, *tensors: Tensor) -> None:
    """Refuse a NaN or an infinite entry by one line with the layer's name (ValueError)."""
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise ValueError(
            f"{name}: a weight or statistic is NaN or infinite (did training diverge?): train it again"
        )


def misfit(name: str, layer: object, shape: Shape) -> str:
    """The line for a layer that does not fit the shape in front of it."""
    return (
        f"{name}: {type(layer).__name__} does not fit its input of shape {shape}: check the layers, and the"
        " input_shape given to fold(), that of one input without the batch"
    )


def _real(value: Tensor | None) -> Tensor:
    assert value is not None
    return value


def _trial(operation: Operation, shape: Shape) -> Tensor:
    """One input of zeros where the operation's weights are."""
    weight = getattr(operation, "weight", None)
    if isinstance(weight, Tensor):
        return weight.new_zeros(1, *shape)
    return torch.zeros(1, *shape, device="cpu")
