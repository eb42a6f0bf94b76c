"""The fused scan as a function that autograd can use."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from retrace.nets.memory.fused import backward, forward
from retrace.nets.memory.fused.gradients import Gradients
from retrace.nets.memory.fused.tape import Sizes, Tape, Weights, output
from retrace.nets.memory.fused.undo import Undo


class Scan(torch.autograd.Function):
    """(x, h, memory, noise, soft, kappa, steps before, *weights) to (output, last h, last memory, chosen).

    The last output has no gradient: flat rows (T, B) read by hard reads, or read weights (T, B, N).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        memory: Tensor,
        noise: Tensor | None,
        soft: bool,
        kappa: float,
        before: int,
        *weights: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Run the scan and keep what the backward pass needs."""
        named = Weights(*weights)  # type: ignore[arg-type]
        steps, batch, inputs = x.shape
        slots, width = memory.shape[1:]
        learned = 0 if named.address is None else slots
        s = Sizes(steps, batch, inputs, h.shape[1], slots, width, learned, before)
        tape, after = forward.run(s, x, h, memory, named, noise, soft)
        ctx.sizes, ctx.soft, ctx.kappa = s, soft, kappa
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(memory, after, *tape, *weights)
        ctx.mark_non_differentiable(tape.chosen)
        return output(s, tape), tape.seen[-1, :, s.X : s.X + s.H].clone(), after, tape.chosen

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(
        ctx: Any, grad: Tensor | None, grad_h: Tensor | None, grad_memory: Tensor | None, _: Any
    ) -> tuple[Tensor | None, ...]:
        """Gradients of x, h, memory and every weight; products over the sequence are one each."""
        s: Sizes = ctx.sizes
        begin, end, *rest = ctx.saved_tensors
        tape, weights = Tape(*rest[:5]), Weights(*rest[5:])
        if grad is None:
            grad = tape.late.new_zeros(s.T, s.B, s.H + s.R)
        undo = Undo(s, tape, begin, end, grad_memory, ctx.soft, 1.0 if ctx.soft else ctx.kappa)
        into = Gradients(s, tape, weights, ctx.needs_input_grad[0])
        into_h = backward.run(s, tape, weights, undo, into, grad, grad_h)
        return into.x, into_h, undo.grad, None, None, None, None, *into.weights
