"""A network as a frozen list of nodes, each naming the nodes it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrace.verify.layers import Add, Operation, Relu, Shape, cast


class Residual(nn.Module):
    """body(x) + shortcut(x); the shortcut is the identity unless given."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both branches."""
        total: Tensor = self.body(x) + self.shortcut(x)
        return total


@dataclass(frozen=True)
class Node:
    """An operation, the numbers of the nodes it reads (0 is the input), and its shape without the batch."""

    operation: Operation
    inputs: tuple[int, ...]
    shape: Shape


@dataclass(frozen=True)
class Network:
    """Nodes in the order they are computed: node k + 1 is `nodes[k]`, 0 the input, the last the logits."""

    nodes: tuple[Node, ...]
    input_shape: Shape

    @property
    def output(self) -> int:
        """The number of the last node."""
        return len(self.nodes)

    @property
    def classes(self) -> int:
        """How many logits there are."""
        return self.shape(self.output)[0]

    @cached_property
    def relus(self) -> tuple[int, ...]:
        """The numbers of the ReLU nodes, in order: the order of every list of bounds."""
        return tuple(k + 1 for k, node in enumerate(self.nodes) if isinstance(node.operation, Relu))

    @property
    def gammas(self) -> tuple[Tensor | None, ...]:
        """For each ReLU the scale (channels,) of the batch norm in front of it, detached, or None."""
        found = [self.nodes[k - 1].operation for k in self.relus]
        return tuple(relu.gamma for relu in found if isinstance(relu, Relu))

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the weights."""
        for node in self.nodes:
            weight = getattr(node.operation, "weight", None)
            if isinstance(weight, Tensor):
                return weight.dtype
        return torch.get_default_dtype()

    def shape(self, number: int) -> Shape:
        """The shape of node `number` without the batch."""
        return self.input_shape if number == 0 else self.nodes[number - 1].shape

    def source(self, relu: int) -> int:
        """The number of the node that ReLU node `relu` reads: its pre-activation."""
        return self.nodes[relu - 1].inputs[0]

    def to(self, dtype: torch.dtype, device: torch.device | None = None) -> Network:
        """The same network in another precision or on another device."""
        nodes = [Node(cast(n.operation, dtype, device), n.inputs, n.shape) for n in self.nodes]
        return Network(tuple(nodes), self.input_shape)

    def values(self, x: Tensor) -> list[Tensor]:
        """Every node's value (n, *shape) at the inputs x (n, *input_shape)."""
        kept: list[Tensor] = [x]
        for node in self.nodes:
            kept.append(self._value(node, [kept[k] for k in node.inputs]))
        return kept

    def opened(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Where to start a gradient: the first layer's detached value, and its way back to the input.

        A convolution's gradient with respect to few channels is slow on a CPU; `pull` is not. The input
        itself where the first layer is not alone in reading it, or not affine.
        """
        first = self.nodes[0].operation
        if isinstance(first, Relu | Add) or not self._one_door:
            return x.detach(), lambda slope: slope
        with torch.no_grad():
            value = first.apply(x)
        return value, lambda slope: first.pull(slope, self.input_shape)

    def onward(self, value: Tensor) -> Tensor:
        """The logits (n, classes) from what `opened` gave."""
        first = self.nodes[0].operation
        if isinstance(first, Relu | Add) or not self._one_door:
            return self(value)
        kept = [value[:0], value]
        for node in self.nodes[1:]:
            kept.append(self._value(node, [kept[k] for k in node.inputs]))
        return kept[-1]

    @property
    def _one_door(self) -> bool:
        return not any(0 in node.inputs for node in self.nodes[1:])

    def _value(self, node: Node, given: Sequence[Tensor]) -> Tensor:
        if isinstance(node.operation, Relu):
            return functional.relu(given[0])
        if isinstance(node.operation, Add):
            return given[0] + given[1]
        return node.operation.apply(given[0])

    def __call__(self, x: Tensor) -> Tensor:
        """The logits (n, classes) at the inputs x (n, *input_shape)."""
        return self.values(x)[-1]
