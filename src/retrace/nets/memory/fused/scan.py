"""The fused scan as a function that autograd can use."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from retrace.nets.memory.fused import backward, forward
from retrace.nets.memory.fused.tape import Sizes, Tape, Weights, output
from retrace.nets.memory.fused.undo import Undo

Gradients = tuple[Tensor | None, ...]


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
        ctx.save_for_backward(x, memory, after, *tape, *weights)
        ctx.mark_non_differentiable(tape.chosen)
        return output(s, tape), tape.both[-1, :, : s.H].clone(), after, tape.chosen

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(
        ctx: Any, grad: Tensor | None, grad_h: Tensor | None, grad_memory: Tensor | None, _: Any
    ) -> Gradients:
        """Gradients of x, h, memory and every weight; products over the sequence are one each."""
        s: Sizes = ctx.sizes
        x, begin, end, *rest = ctx.saved_tensors
        tape, weights = Tape(*rest[:5]), Weights(*rest[5:])
        if grad is None:
            grad = torch.zeros_like(tape.both[1:])
        undo = Undo(s, tape, begin, end, grad_memory, ctx.soft, 1.0 if ctx.soft else ctx.kappa)
        grads = backward.run(s, tape, weights, undo, grad, grad_h, ctx.soft)
        into_x, into_weights = _products(s, x, tape, weights, grads, ctx.needs_input_grad[0])
        return into_x, grads.h, undo.grad, None, None, None, None, *into_weights


def _products(
    s: Sizes, x: Tensor, tape: Tape, weights: Weights, grads: backward.Grads, need_x: bool
) -> tuple[Tensor | None, list[Tensor | None]]:
    """Gradients of x and of the weights and biases, in the order of `Weights`."""
    n, cut = s.T * s.B, s.A + s.H + s.R
    flat = x.reshape(n, s.X)
    early = grads.early.view(-1, s.early)
    first, written = early[:n, :cut], early[s.B :, cut:]
    late = grads.late.view(n, s.late)
    both = tape.both.view(-1, s.H + s.R)
    by_h = early.t() @ both[:, : s.H]
    gates = first[:, s.A :]
    by_r = gates.t() @ both[:n, s.H :]
    gated = (tape.both[:-1] * tape.early[:-1, :, s.A : cut]).view(n, -1)
    by_x = first.t() @ flat
    gate = torch.cat([by_x[s.A :], by_h[s.A : cut], by_r], 1)
    update = torch.cat([late.t() @ flat, late.t() @ gated], 1)
    write = torch.cat([written.t() @ flat, by_h[cut:]], 1)
    bias = first.sum(0)
    address = torch.cat([by_x[: s.A], by_h[: s.A]], 1) if s.A else None
    address_bias = bias[: s.A] if s.A else None
    into = [address, address_bias, gate, bias[s.A :], update, late.sum(0), write, written.sum(0)]
    if not need_x:
        return None, into
    into_x = late @ weights.update[:, : s.X]
    into_x.addmm_(gates, weights.gate[:, : s.X]).addmm_(written, weights.write[:, : s.X])
    if weights.address is not None:
        into_x.addmm_(first[:, : s.A], weights.address[:, : s.X])
    return into_x.view(s.T, s.B, s.X), into
