"""The memory walked backwards: undo each write, give each read's gradient its due."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from retrace.nets.memory.derivatives import softmax_backward
from retrace.nets.memory.fused.forward import span
from retrace.nets.memory.fused.tape import Sizes, Tape


def turned(memory: Tensor) -> Tensor:
    """A copy of the memory (B, N, R) as (B, R, N); never a view, since it is going to change."""
    return memory.transpose(1, 2).clone(memory_format=torch.contiguous_format)


class Walk(Protocol):
    """A memory walked backwards while gradients pass by it."""

    def chunk(self, begin: int, end: int) -> None:
        """Get ready for the steps begin to end."""

    def write(self, t: int, out: Tensor) -> None:
        """Undo the write of step t; its vector's gradient (B, R) goes into `out`."""

    def reading(self, t: int, r: Tensor, out: Tensor) -> None:
        """Pass the gradient `r` (B, R) of what step t read on; the address logits' part goes into `out`."""


class Undo:
    """Memory before a step, kept as (B, R, N), and the gradient of the memory after it, (B, N, R).

    A write of the fill phase is undone by the row of the memory that the sequence began with. A hard write
    afterwards goes where the step has read: what it read is the row it replaced. A soft one cannot be undone
    exactly: the memories of each span are computed again from the one kept at its start.
    """

    def __init__(
        self, s: Sizes, tape: Tape, begin: Tensor, end: Tensor, grad: Tensor | None, soft: bool, kappa: float
    ) -> None:
        self.s, self.tape, self.soft, self.kappa = s, tape, soft, kappa
        self.grad = (
            torch.zeros_like(end) if grad is None else grad.clone(memory_format=torch.contiguous_format)
        )
        self.flat, self.slots = self.grad.view(-1, s.R), self.grad.unbind(1)
        self.memory = turned(end)
        self.columns, self.begin = self.memory.unbind(2), begin.unbind(1)
        self.scores = end.new_empty(s.B, 1, s.N)
        self.read = tape.seen[..., s.X + s.H :].unbind(0)
        self.chosen = tape.chosen.unbind(0)
        self.written = tape.early[..., s.early - s.R :].unbind(0)
        self.again: Tensor | None = None
        self.spanned, self.from_step = -1, 0
        self.softmax: tuple[Tensor, ...] = ()

    def write(self, t: int, out: Tensor) -> None:
        """Undo the write of step t; its vector's gradient (B, R) goes into `out`."""
        s = self.s
        if t < s.filling:
            slot = s.before + t
            out.copy_(self.slots[slot])
            self.slots[slot].zero_()
            if s.A:
                self.columns[slot].copy_(self.begin[slot])
        elif self.soft:
            u = self.chosen[t]
            out.copy_(torch.bmm(u.unsqueeze(1), self.grad).squeeze(1))
            self.grad.mul_((1 - u).unsqueeze(2))
            self.memory = self._before(t)
            if t == s.filling:
                self.columns = self.memory.unbind(2)
        else:
            torch.index_select(self.flat, 0, self.chosen[t], out=out)
            self.flat.index_fill_(0, self.chosen[t], 0.0)
            if s.A:
                slot_of = (self.chosen[t] % s.N).view(-1, 1, 1).expand(-1, s.R, 1)
                self.memory.scatter_(2, slot_of, self.read[t].unsqueeze(2))

    def chunk(self, begin: int, end: int) -> None:
        """The softmax weights by which the address of a read gets its gradient, one (B, N) a step."""
        self.from_step = begin
        if not self.s.A:
            return
        if self.soft:
            self.softmax = self.tape.chosen[begin:end].unbind(0)
        else:
            scores = self.tape.early[begin:end, :, : self.s.A]
            self.softmax = torch.softmax(self.kappa * scores, 2).unbind(0)

    def reading(self, t: int, r: Tensor, out: Tensor) -> None:
        """Pass the gradient `r` (B, R) of what step t read on to the memory, and by way of the softmax
        weights to the address, into `out` (B, N).
        """
        if self.s.A:
            soft = self.softmax[t - self.from_step]
            torch.baddbmm(self.scores, r.unsqueeze(1), self.memory, beta=0, alpha=self.kappa, out=self.scores)
            out.copy_(softmax_backward(self.scores.squeeze(1), soft, 1, soft.dtype))
        if self.soft:
            self.grad.baddbmm_(self.chosen[t].unsqueeze(2), r.unsqueeze(1))
        else:
            self.flat.index_add_(0, self.chosen[t], r)

    def _before(self, t: int) -> Tensor:
        """The memory before step t of the overwriting phase, (B, R, N)."""
        span_of, at = divmod(t - self.s.filling, span(self.s))
        if self.again is None:
            self.again = self.memory.new_empty(span(self.s), *self.memory.shape)
        if span_of != self.spanned:
            self.spanned = span_of
            self.again[0].copy_(self.tape.kept[span_of].transpose(1, 2))
            for k in range(at):
                before = t - at + k
                what, u = self.written[before + 1].unsqueeze(2), self.chosen[before].unsqueeze(1)
                torch.lerp(self.again[k], what, u, out=self.again[k + 1])
        return self.again[at]
