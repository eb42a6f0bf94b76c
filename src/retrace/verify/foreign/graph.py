"""An ONNX graph as a `Network`: constants folded, shapes worked out, every operator lowered or named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retrace.verify.builder import Builder, finite
from retrace.verify.layers import Flatten, Scale, Shape
from retrace.verify.lower import times
from retrace.verify.rearrange import Rearrange


@dataclass(frozen=True)
class Step:
    """One ONNX node: its operator, a name for messages, its options, and what it reads."""

    operator: str
    name: str
    options: dict[str, Any]
    given: tuple[int | np.ndarray | None, ...]

    def constant(self, k: int, default: np.ndarray | None = None) -> np.ndarray:
        """Input number k as a float64 array.

        Errors: ValueError where it is no constant, or left out without a default.
        """
        value = self.given[k] if k < len(self.given) else None
        if value is None and default is not None:
            return default
        if not isinstance(value, np.ndarray):
            raise ValueError(f"{self.name}: input {k} must be a constant")
        array = np.asarray(value, dtype=np.float64)
        finite(self.name, torch.from_numpy(array))
        return array

    def node(self, k: int = 0) -> int:
        """Input number k as the number of a node.

        Errors: ValueError where it is a constant.
        """
        value = self.given[k] if k < len(self.given) else None
        if not isinstance(value, int):
            raise ValueError(f"{self.name}: input {k} must come from the network's input")
        return value


class Graph:
    """A builder that knows ONNX's shapes: with a batch of one in front, or as they are (`batched` False)."""

    def __init__(self, input_shape: Shape, batched: bool) -> None:
        self.builder, self.batched = Builder(input_shape), batched

    def full(self, node: int) -> Shape:
        """The shape of node number `node` as ONNX sees it."""
        return ((1,) if self.batched else ()) + self.builder.shapes[node]

    def own(self, shape: Sequence[int], name: str) -> Shape:
        """ONNX's shape without the batch.

        Errors: ValueError for a first dimension that is no batch of one.
        """
        if self.batched and (not shape or shape[0] != 1):
            raise ValueError(
                f"{name}: gives the shape {tuple(shape)}, whose first dimension is no batch of 1"
            )
        return tuple(int(s) for s in (shape[1:] if self.batched else shape))

    def rearrange(self, node: int, numbers: np.ndarray, name: str) -> int:
        """Entries of a node by their flat numbers, in ONNX's new shape."""
        shape, index = self.own(numbers.shape, name), torch.from_numpy(numbers.flatten().astype(np.int64))
        before = self.builder.shapes[node]
        same = len(index) == int(np.prod(before)) and bool((index == torch.arange(len(index))).all())
        if same and shape == before:
            return node
        flat = same and len(shape) == 1
        return self.builder.append(Flatten() if flat else Rearrange(index, shape), (node,), name)

    def affine(self, node: int, factor: np.ndarray, shift: np.ndarray, name: str) -> int:
        """factor * value + shift, both broadcast to the node's shape: by channel where that suffices.

        Errors: ValueError where they would widen it.
        """
        shape = self.builder.shapes[node]
        wide = []
        for array in (factor, shift):
            while array.ndim > len(shape) and array.shape[0] == 1:
                array = array[0]
            try:
                wide.append(torch.from_numpy(np.broadcast_to(array, shape).copy()))
            except ValueError:
                raise ValueError(
                    f"{name}: a constant of shape {array.shape} does not fit a value of shape {shape}"
                ) from None
        by_channel = [w.flatten(1) if len(shape) > 1 else w[:, None] for w in wide]
        if all(bool((w == w[:, :1]).all()) for w in by_channel):
            return self.builder.scale(by_channel[0][:, 0], by_channel[1][:, 0], node, name)
        size = int(np.prod(shape))
        flat = self.builder.append(Flatten(), (node,), name)
        done = self.builder.append(Scale(wide[0].flatten(), wide[1].flatten()), (flat,), name)
        return self.builder.append(Rearrange(torch.arange(size), shape), (done,), name)

    def negative(self, node: int, name: str) -> int:
        """The node times -1."""
        return times(self.builder, node, -1.0, name)


def readers(nodes: Sequence[Any], outputs: Sequence[str]) -> Counter[str]:
    """How many nodes read each tensor; the outputs count, too."""
    return Counter([name for node in nodes for name in node.input] + list(outputs))


def numbered(shape: Shape) -> np.ndarray:
    """Flat numbers 0, 1 ... in a shape."""
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)


def tensor(array: np.ndarray) -> Tensor:
    """A float64 tensor of its own."""
    return torch.from_numpy(np.array(array, dtype=np.float64))
