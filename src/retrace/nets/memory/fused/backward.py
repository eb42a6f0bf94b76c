"""The scan backward: what needs no order is done for many steps at once, the rest step by step."""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.nets.memory.derivatives import sigmoid_backward, tanh_backward
from retrace.nets.memory.fused.gradients import Gradients
from retrace.nets.memory.fused.tape import Sizes, Tape, Weights, rows
from retrace.nets.memory.fused.undo import Walk

ROWS = 512  # steps times sequences of a chunk: enough for a product, and its buffers stay in the cache


class Chunk:
    """Buffers of a chunk of steps: factors that need no order, and the gradients of the chunk's logits."""

    def __init__(self, s: Sizes, like: Tensor) -> None:
        self.s, self.length = s, max(1, min(s.T, ROWS // s.B))
        new = (self.length, s.B)
        self.inner = like.new_empty(*new, 3, s.H)  # d(j, i, f) / d(h before its tanh)
        self.gate = like.new_empty(*new, s.H + s.R)  # d(logits of the gates) / d(gated)
        self.out = like.new_empty(*new, s.H + s.R)  # gradient of [next h; r] by way of the output
        self.late = like.new_empty(*new, s.late)
        self.early = like.new_zeros(self.length + 1, s.B, s.early)

    def fill(self, tape: Tape, grad: Tensor, begin: int, end: int) -> None:
        """Factors of the steps begin to end, from saved values and grad (T, B, H + R) of the output; the
        gradients of o and q are final.
        """
        s, n, cut = self.s, end - begin, slice(begin, end)
        h_last, r = tape.seen[cut, :, s.X : s.X + s.H], tape.seen[cut, :, s.X + s.H :]
        h = tape.seen[begin + 1 : end + 1, :, s.X : s.X + s.H]
        j, i, f = (tape.late[cut, :, k * s.H : (k + 1) * s.H] for k in range(3))
        gates, inner = tape.late[cut, :, 3 * s.H :], self.inner[:n]
        tanh_backward(i, j, grad_input=inner[:, :, 0])
        sigmoid_backward(j, i, grad_input=inner[:, :, 1])
        sigmoid_backward(h_last, f, grad_input=inner[:, :, 2])
        g = tape.early[cut, :, s.A : s.A + s.H + s.R]
        sigmoid_backward(tape.seen[cut, :, s.X :], g, grad_input=self.gate[:n])
        dy, logits, out = grad[cut], self.late[:n, :, 3 * s.H :], self.out[:n]
        torch.mul(dy[..., : s.H], h, out=out[..., : s.H])
        torch.mul(dy[..., s.H :], r, out=out[..., s.H :])
        sigmoid_backward(out, gates, grad_input=logits)
        torch.mul(dy, gates, out=out)
        # The first row of the chunk done before, which lies later in time, is the last of this one.
        self.early[n].copy_(self.early[0])


def run(
    s: Sizes,
    tape: Tape,
    weights: Weights,
    undo: Walk,
    into: Gradients,
    grad: Tensor,
    grad_h: Tensor | None,
) -> Tensor:
    """Gradient of the first h (B, H); fills `into`, and `undo` ends with the memory's.

    grad (T, B, H + R) of the output, grad_h (B, H) of the last h.
    """
    chunk = Chunk(s, tape.late)
    to_h = rows(s, weights, slice(s.X, s.X + s.H))
    to_r = weights.gate[:, s.X + s.H :].contiguous()
    to_both = weights.update[:, s.X :].contiguous()
    cut = s.A + s.H + s.R
    # A view costs about as much as a small operation: make them all at once.
    row, written = chunk.early.unbind(0), chunk.early[..., cut:].unbind(0)
    address, gates = chunk.early[..., : s.A].unbind(0), chunk.early[..., s.A : cut].unbind(0)
    three = torch.unflatten(chunk.late[..., : 3 * s.H], 2, (3, s.H)).unbind(0)
    logits, inner, gate = chunk.late.unbind(0), chunk.inner.unbind(0), chunk.gate.unbind(0)
    out_h, out_r = chunk.out[..., : s.H].unbind(0), chunk.out[..., s.H :].unbind(0)
    wide = chunk.out[..., : s.H].unsqueeze(2).unbind(0)
    g_h = tape.early[..., s.A : s.A + s.H].unbind(0)
    g_r = tape.early[..., s.A + s.H : cut].unbind(0)
    f, h = tape.late[..., 2 * s.H : 3 * s.H].unbind(0), tape.seen[1:, :, s.X : s.X + s.H].unbind(0)
    gated = tape.late.new_empty(s.B, s.H + s.R)
    gated_h, gated_r = gated[:, : s.H], gated[:, s.H :]
    carry = tape.late.new_zeros(s.B, s.H) if grad_h is None else grad_h.clone()
    for end in range(s.T, 0, -chunk.length):
        begin = max(0, end - chunk.length)
        chunk.fill(tape, grad, begin, end)
        undo.chunk(begin, end)
        for t in range(end - 1, begin - 1, -1):
            k = t - begin
            undo.write(t, written[k + 1])
            dh = out_h[k].add_(carry).addmm_(row[k + 1], to_h)
            tanh_backward(dh, h[t], grad_input=dh)
            torch.mul(wide[k], inner[k], out=three[k])
            torch.mm(logits[k], to_both, out=gated)
            torch.mul(gated, gate[k], out=gates[k])
            dr = out_r[k].addcmul_(gated_r, g_r[t]).addmm_(gates[k], to_r)
            torch.mul(dh, f[t], out=carry).addcmul_(gated_h, g_h[t])
            undo.reading(t, dr, address[k])
        n = end - begin
        into.add(chunk.early[: n + 1], chunk.late[:n], begin, end)
    chunk.early[0, :, cut:] = 0
    return carry.addmm_(row[0], to_h)
