"""The scan backward: what needs no order is done for many steps at once, the rest step by step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from retrace.nets.memory.fused.tape import Sizes, Tape, Weights, rows
from retrace.nets.memory.fused.undo import Undo

CHUNK = 1 << 15  # numbers per buffer of a chunk of steps: it should stay in the cache

sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input


class Grads(NamedTuple):
    """Gradients: early (T + 1, B, early), late (T, B, late) in a wider buffer, first h (B, H)."""

    early: Tensor
    late: Tensor
    h: Tensor


def chunk_length(s: Sizes) -> int:
    """Steps whose factors are computed at once."""
    return max(1, min(s.T, CHUNK // (s.B * 4 * s.H)))


class Factors:
    """Of a chunk of steps, all factors that depend on saved values and on the output's gradient alone."""

    def __init__(self, s: Sizes, like: Tensor) -> None:
        n = chunk_length(s)
        self.s = s
        self.inner = like.new_empty(n, s.B, 4, s.H)  # d(carry, j, i, f) / d(next h)
        self.gate = like.new_empty(n, s.B, s.H + s.R)  # d(logits of the gates) / d(gated)
        self.out = like.new_empty(n, s.B, s.H + s.R)  # gradient of [next h; r] by way of the output

    def fill(self, tape: Tape, grad: Tensor, late: Tensor, begin: int, end: int) -> None:
        """For the steps begin to end; the part of `late` (T, B, late) that belongs to o and q is final."""
        s, n, cut = self.s, end - begin, slice(begin, end)
        h_last, h = tape.both[cut, :, : s.H], tape.both[begin + 1 : end + 1, :, : s.H]
        r = tape.both[cut, :, s.H :]
        j, i, f, o = (tape.late[cut, :, k * s.H : (k + 1) * s.H] for k in range(4))
        q = tape.late[cut, :, 4 * s.H :]
        inner = self.inner[:n]
        inner[:, :, 0].copy_(f)
        tanh_backward(i, j, grad_input=inner[:, :, 1])
        sigmoid_backward(j, i, grad_input=inner[:, :, 2])
        sigmoid_backward(h_last, f, grad_input=inner[:, :, 3])
        tanh_backward(inner, h.unsqueeze(2), grad_input=inner)
        g = tape.early[cut, :, s.A : s.A + s.H + s.R]
        sigmoid_backward(tape.both[cut], g, grad_input=self.gate[:n])
        dy, logits = grad[cut], late[cut, :, 3 * s.H :]
        torch.mul(dy[..., : s.H], h, out=logits[..., : s.H])
        torch.mul(dy[..., s.H :], r, out=logits[..., s.H :])
        sigmoid_backward(logits[..., : s.H], o, grad_input=logits[..., : s.H])
        sigmoid_backward(logits[..., s.H :], q, grad_input=logits[..., s.H :])
        torch.mul(dy, tape.late[cut, :, 3 * s.H :], out=self.out[:n])


def run(
    s: Sizes, tape: Tape, weights: Weights, undo: Undo, grad: Tensor, grad_h: Tensor | None, soft: bool
) -> Grads:
    """Gradients of all logits (before their activation) and of the first h; `undo` ends with the memory's.

    grad (T, B, H + R) of the output, grad_h (B, H) of the last h.
    """
    early = torch.zeros_like(tape.early)
    wide = tape.late.new_empty(s.T, s.B, s.H + s.late)  # the carry of h, then late
    late = wide[..., s.H :]
    to_h = rows(s, weights, slice(s.X, s.X + s.H))
    to_r = weights.gate[:, s.X + s.H :].contiguous()
    to_both = weights.update[:, s.X :].contiguous()
    cut = s.A + s.H + s.R
    row, written = early.unbind(0), early[..., cut:].unbind(0)
    address, gates = early[..., : s.A].unbind(0), early[..., s.A : cut].unbind(0)
    four = wide[..., : 4 * s.H].unflatten(2, (4, s.H)).unbind(0)
    carried, logits = wide[..., : s.H].unbind(0), late.unbind(0)
    g_h = tape.early[..., s.A : s.A + s.H].unbind(0)
    g_r = tape.early[..., s.A + s.H : cut].unbind(0)
    gated = torch.empty_like(tape.both[0])
    gated_h, gated_r = gated.split([s.H, s.R], dim=1)
    factors, length = Factors(s, tape.both), chunk_length(s)
    inner, gate = factors.inner.unbind(0), factors.gate.unbind(0)
    out_h, out_r = factors.out[..., : s.H].unbind(0), factors.out[..., s.H :].unbind(0)
    carry = torch.zeros_like(gated_h) if grad_h is None else grad_h.clone()
    for end in range(s.T, 0, -length):
        begin = max(0, end - length)
        factors.fill(tape, grad, late, begin, end)
        soft_weights = _softmax(s, tape, undo, begin, end, soft)
        for t in range(end - 1, begin - 1, -1):
            k = t - begin
            undo.write(t, written[t + 1])
            h = out_h[k].add_(carry).addmm_(row[t + 1], to_h)
            torch.mul(h.unsqueeze(1), inner[k], out=four[t])
            torch.mm(logits[t], to_both, out=gated)
            torch.mul(gated, gate[k], out=gates[t])
            r = out_r[k].addcmul_(gated_r, g_r[t]).addmm_(gates[t], to_r)
            torch.addcmul(carried[t], gated_h, g_h[t], out=carry)
            undo.reading(t, r, None if soft_weights is None else soft_weights[k], address[t])
    carry.addmm_(early[0], to_h)
    return Grads(early, late, carry)


def _softmax(s: Sizes, tape: Tape, undo: Undo, begin: int, end: int, soft: bool) -> tuple[Tensor, ...] | None:
    """The softmax weights by which the address of a read gets its gradient, one (B, N) a step."""
    if not s.A:
        return None
    if soft:
        return tape.chosen[begin:end].unbind(0)
    scores = tape.early[begin:end, :, : s.A]
    return torch.softmax(undo.kappa * scores, 2).unbind(0)
