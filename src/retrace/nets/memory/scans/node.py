"""A whole sequence as one node of autograd's graph."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Grads = tuple[Tensor | None, ...]


class Loop(Protocol):
    """A scan over a sequence and its backward pass."""

    def forward(self, *inputs: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Outputs, the last of them without a gradient, and what the backward pass needs besides inputs."""

    def backward(self, inputs: tuple[Tensor, ...], tape: tuple[Tensor, ...], grads: Grads) -> Grads:
        """Gradients of the inputs from those of all outputs but the last; changes neither."""


class Node(torch.autograd.Function):
    """(loop, *inputs) to the loop's outputs; has no second derivative."""

    @staticmethod
    def forward(ctx: Any, loop: Loop, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the loop."""
        outputs, tape = loop.forward(*inputs)
        ctx.loop, ctx.count = loop, len(inputs)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, *tape)
        ctx.mark_non_differentiable(outputs[-1])
        return outputs

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor | None) -> Grads:
        """Run it back."""
        saved = ctx.saved_tensors
        return (None, *ctx.loop.backward(saved[: ctx.count], saved[ctx.count :], grads[:-1]))


def started(grad: Tensor | None, like: Tensor) -> Tensor:
    """A copy of a gradient to add to, zeros where there is none."""
    return (
        torch.zeros_like(like, memory_format=torch.contiguous_format)
        if grad is None
        else grad.clone(memory_format=torch.contiguous_format)
    )
