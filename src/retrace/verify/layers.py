"""The operations of a folded network: value, interval radius and the transposed map of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

Shape = tuple[int, ...]
SMALL_MATRIX = 1 << 16  # entries up to which one matrix product beats a transposed convolution on the CPU
FEW_CHANNELS = 8  # below, columns added up beat a transposed convolution on the CPU (4x for one channel)


class Affine(Protocol):
    """What an affine operation offers; n is any batch, shapes are without it."""

    def apply(self, x: Tensor) -> Tensor:
        """W x + b of x (n, *inputs)."""
        ...

    def spread(self, radius: Tensor) -> Tensor:
        """|W| r of the radius r (n, *inputs)."""
        ...

    def size(self, values: Tensor) -> Tensor:
        """|W| v + |b| of the absolute values v (n, *inputs): the sum of an output's |terms|."""
        ...

    def pull(self, rows: Tensor, shape: Shape) -> Tensor:
        """W^T a of the rows a (n, *outputs): coefficients on the inputs (n, *shape)."""
        ...

    def offset(self, rows: Tensor) -> Tensor:
        """a . b of the rows a (n, *outputs): (n,)."""
        ...


@dataclass(frozen=True)
class Dense:
    """A linear layer: weight (out, in), bias (out,)."""

    weight: Tensor
    bias: Tensor

    def apply(self, x: Tensor) -> Tensor:
        """See `Affine`."""
        return functional.linear(x, self.weight, self.bias)

    def spread(self, radius: Tensor) -> Tensor:
        """See `Affine`."""
        return functional.linear(radius, self.weight.abs())

    def size(self, values: Tensor) -> Tensor:
        """See `Affine`."""
        return functional.linear(values, self.weight.abs(), self.bias.abs())

    def pull(self, rows: Tensor, shape: Shape) -> Tensor:
        """See `Affine`."""
        return rows @ self.weight

    def offset(self, rows: Tensor) -> Tensor:
        """See `Affine`."""
        return rows @ self.bias


@dataclass(frozen=True)
class Convolution:
    """A two-dimensional convolution: weight (out, in, kh, kw), bias (out,); zero padding."""

    weight: Tensor
    bias: Tensor
    stride: tuple[int, int]
    padding: tuple[int, int]

    def apply(self, x: Tensor) -> Tensor:
        """See `Affine`."""
        return functional.conv2d(x, self.weight, self.bias, self.stride, self.padding)

    def spread(self, radius: Tensor) -> Tensor:
        """See `Affine`."""
        return functional.conv2d(radius, self.weight.abs(), None, self.stride, self.padding)

    def size(self, values: Tensor) -> Tensor:
        """See `Affine`."""
        return functional.conv2d(values, self.weight.abs(), self.bias.abs(), self.stride, self.padding)

    def pull(self, rows: Tensor, shape: Shape) -> Tensor:
        """See `Affine`."""
        n, outputs, inputs = rows.shape[0], math.prod(rows.shape[1:]), math.prod(shape)
        if outputs * inputs <= SMALL_MATRIX and not self.weight.requires_grad:
            return (rows.flatten(1) @ self._matrix(tuple(rows.shape[1:]), shape)).reshape(n, *shape)
        return self._transposed(rows, shape)

    def _matrix(self, outputs: Shape, inputs: Shape) -> Tensor:
        """The whole map as one matrix (outputs, inputs), made once."""
        made = self._matrices.get((outputs, inputs))
        if made is None:
            size = math.prod(outputs)
            eye = torch.eye(size, dtype=self.weight.dtype, device=self.weight.device)
            made = self._transposed(eye.reshape(size, *outputs), inputs).flatten(1)
            self._matrices[outputs, inputs] = made
        return made

    @cached_property
    def _matrices(self) -> dict[tuple[Shape, Shape], Tensor]:
        return {}

    def _transposed(self, rows: Tensor, shape: Shape) -> Tensor:
        kernel = self.weight.shape[2:]
        if self.weight.shape[1] < FEW_CHANNELS:
            columns = self.weight.flatten(1).T @ rows.flatten(2)
            size = (shape[1], shape[2])
            return functional.fold(columns, size, tuple(kernel), padding=self.padding, stride=self.stride)
        left = [
            shape[1 + k] - ((rows.shape[2 + k] - 1) * self.stride[k] - 2 * self.padding[k] + kernel[k])
            for k in (0, 1)
        ]
        return functional.conv_transpose2d(rows, self.weight, None, self.stride, self.padding, left)

    def offset(self, rows: Tensor) -> Tensor:
        """See `Affine`."""
        return rows.flatten(1) @ self.bias.repeat_interleave(math.prod(rows.shape[2:]))


@dataclass(frozen=True)
class Scale:
    """A batch norm that no layer could take in: weight and bias (channels,)."""

    weight: Tensor
    bias: Tensor

    def _wide(self, values: Tensor, dims: int) -> Tensor:
        return values.reshape(-1, *[1] * (dims - 2))

    def apply(self, x: Tensor) -> Tensor:
        """See `Affine`."""
        return x * self._wide(self.weight, x.ndim) + self._wide(self.bias, x.ndim)

    def spread(self, radius: Tensor) -> Tensor:
        """See `Affine`."""
        return radius * self._wide(self.weight.abs(), radius.ndim)

    def size(self, values: Tensor) -> Tensor:
        """See `Affine`."""
        return self.spread(values) + self._wide(self.bias.abs(), values.ndim)

    def pull(self, rows: Tensor, shape: Shape) -> Tensor:
        """See `Affine`."""
        return rows * self._wide(self.weight, rows.ndim)

    def offset(self, rows: Tensor) -> Tensor:
        """See `Affine`."""
        return rows.flatten(2).sum(2) @ self.bias if rows.ndim > 2 else rows @ self.bias


@dataclass(frozen=True)
class Flatten:
    """(n, channels, height, width) as (n, features)."""

    def apply(self, x: Tensor) -> Tensor:
        """See `Affine`."""
        return x.flatten(1)

    def spread(self, radius: Tensor) -> Tensor:
        """See `Affine`."""
        return radius.flatten(1)

    def size(self, values: Tensor) -> Tensor:
        """See `Affine`."""
        return self.spread(values)

    def pull(self, rows: Tensor, shape: Shape) -> Tensor:
        """See `Affine`."""
        return rows.reshape(-1, *shape)

    def offset(self, rows: Tensor) -> Tensor:
        """See `Affine`."""
        return rows.new_zeros(rows.shape[0])


@dataclass(frozen=True)
class Add:
    """The sum of a residual block's two branches."""


@dataclass(frozen=True)
class Relu:
    """A ReLU; `gamma` (channels,) is the scale of the batch norm right in front of it, detached, or None."""

    gamma: Tensor | None


Linear = Dense | Convolution | Scale | Flatten
Operation = Linear | Add | Relu


def cast(operation: Operation, dtype: torch.dtype, device: torch.device | None = None) -> Operation:
    """The same operation with its tensors in another precision or on another device."""
    if isinstance(operation, Dense):
        return Dense(operation.weight.to(device, dtype), operation.bias.to(device, dtype))
    if isinstance(operation, Scale):
        return Scale(operation.weight.to(device, dtype), operation.bias.to(device, dtype))
    if isinstance(operation, Convolution):
        weight, bias = operation.weight.to(device, dtype), operation.bias.to(device, dtype)
        return Convolution(weight, bias, operation.stride, operation.padding)
    if isinstance(operation, Relu) and operation.gamma is not None:
        return Relu(operation.gamma.to(device, dtype))
    return operation
