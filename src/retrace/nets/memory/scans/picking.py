"""TARDIS's address inside a scan: the score of every slot, a one-hot read, the count of reads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from retrace.nets.memory.derivatives import softmax_backward, tanh_backward
from retrace.nets.memory.scans.node import started

PENALTY = 100  # of the slot read last
SMALL = 1e-12  # least length to divide by, as in torch.nn.functional.normalize


class AddressWeights(NamedTuple):
    """Parts of the layer with I outputs: of keys, already multiplied by them (N, I), of a slot's row (I, R),
    of the usage (I, N); and the vector (I, 1) that makes scores.
    """

    keys: Tensor
    row: Tensor
    use: Tensor
    vector: Tensor


class AddressTape(NamedTuple):
    """inner (T, B, N, I) behind its tanh; score (T, B, N) at unit length, noisy the same with noise; unit
    (T, B, N) the usage at unit length; length, used (T, B, 1) what they were divided by; usage and last,
    one-hot, (T + 1, B, N).
    """

    inner: Tensor
    score: Tensor
    noisy: Tensor
    unit: Tensor
    length: Tensor
    used: Tensor
    usage: Tensor
    last: Tensor


class Address:
    """Picks slots. A slot's part of the layer is kept and changed only where the memory is written."""

    def __init__(
        self,
        weights: AddressWeights,
        memory: Tensor,
        state: tuple[Tensor, Tensor, int],
        noise: Tensor | None,
        steps: int,
    ) -> None:
        """memory (B, N, R); state: usage and last read (B, N), steps before; noise (T, B, N)."""
        (batch, slots, _), inner, new = memory.shape, weights.row.shape[0], memory.new_empty
        usage, last, self.before = state
        plain = (steps, batch, slots)
        score = new(plain)
        noisy = score if noise is None else noise.clone()
        counts, lasts = new(steps + 1, batch, slots), memory.new_zeros(steps + 1, batch, slots)
        counts[0], lasts[0] = usage, last
        self.tape = AddressTape(
            inner=new(*plain, inner),
            score=score,
            noisy=noisy,
            unit=new(plain),
            length=new(steps, batch, 1),
            used=new(steps, batch, 1),
            usage=counts,
            last=lasts,
        )
        self.inner, self.score, self.noisy, self.unit, self.length, self.used, self.usage, self.last = (
            part.unbind(0) for part in self.tape
        )
        self.clear = noise is None
        self.tall = self.tape.inner.view(steps, batch * slots, inner).unbind(0)
        self.flat_score = score.view(steps, batch * slots).unbind(0)
        self.vector, self.keys = weights.vector.view(-1), weights.keys
        self.row, self.use = weights.row.t().contiguous(), weights.use.t().contiguous()
        self.slots = (memory @ self.row).add_(self.keys)  # (B, N, I)
        self.columns, self.rows = self.slots.unbind(1), self.slots.view(batch * slots, inner)
        self.first = torch.arange(batch, device=memory.device) * slots  # (B,)
        self.at: list[Tensor] = []

    def pick(self, t: int, logits: Tensor, out: Tensor) -> None:
        """From the layer's part of input and hidden state (B, I) to flat rows (B,) of the memory."""
        torch.linalg.vector_norm(self.usage[t], 2, 1, True, out=self.used[t]).clamp_min_(SMALL)  # (B, 1)
        torch.div(self.usage[t], self.used[t], out=self.unit[t])  # (B, N)
        logits.addmm_(self.unit[t], self.use)  # (B, I)
        torch.add(self.slots, logits.unsqueeze(1), out=self.inner[t]).tanh_()  # (B, N, I)
        score = self.score[t]  # (B, N)
        torch.mv(self.tall[t], self.vector, out=self.flat_score[t])  # (BN,)
        score.sub_(self.last[t], alpha=PENALTY)
        torch.linalg.vector_norm(score, 2, 1, True, out=self.length[t]).clamp_min_(SMALL)  # (B, 1)
        score.div_(self.length[t])
        noisy = score if self.clear else self.noisy[t].add_(score)  # (B, N)
        at = noisy.argmax(1, True)  # (B, 1)
        self.last[t + 1].scatter_(1, at, 1.0)
        torch.add(self.usage[t], self.last[t + 1], out=self.usage[t + 1])  # (B, N)
        self.at.append(at.squeeze(1))
        torch.add(self.at[t], self.first, out=out)  # (B,)

    def wrote(self, t: int, what: Tensor) -> None:
        """Step t wrote `what` (B, R): to the next slot while the memory fills, then where it read."""
        slot = self.before + t
        if slot < len(self.columns):
            self.columns[slot].copy_(torch.addmm(self.keys[slot], what, self.row))  # (B, I)
        else:
            new = torch.addmm(self.keys[self.at[t]], what, self.row)  # (B, I)
            self.rows.index_copy_(0, self.at[t] + self.first, new)


class AddressBack:
    """Walks the memory back to where it began, and gradients of address and memory with it.

    A write of the fill phase is undone by the row that the sequence began with, a later one by what the step
    read, since it wrote where it read.
    """

    def __init__(
        self,
        weights: AddressWeights,
        tape: AddressTape,
        ends: tuple[Tensor, Tensor],
        flow: tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]],
        grads: tuple[Tensor | None, ...],
        kappa: float,
        before: int,
    ) -> None:
        """ends: memory (B, N, R) before and after; flow: flat rows read (T, B), vectors read and written
        (B, R) of each step; grads: of the last memory, usage and read weights.
        """
        (batch, slots, _), inner = ends[0].shape, weights.row.shape[0]
        self.weights, self.tape, self.before, self.count = weights, tape, before, slots
        chosen, self.read, self.written = flow
        self.chosen = chosen.unbind(0)
        self.begin, self.begins = ends[0], ends[0].unbind(1)
        self.memory = ends[1].clone(memory_format=torch.contiguous_format)
        self.grad = started(grads[0], self.memory)
        self.usage = started(grads[1], tape.usage[0])
        self.through = self.usage + grads[2] if grads[2] is not None else self.usage.clone()
        self.last = self.through - self.usage
        self.slots = ends[0].new_zeros(batch, slots, inner)  # gradient of Address.slots
        self.keys = weights.keys.new_zeros(slots, inner)  # (N, I)
        self.columns = [part.unbind(1) for part in (self.memory, self.grad, self.slots)]
        self.rows = [part.view(batch * slots, -1) for part in (self.memory, self.grad, self.slots)]
        steps = len(self.chosen)
        new = ends[0].new_empty
        self.raw, self.common, self.wrote = (new(steps, batch, n) for n in (slots, inner, inner))
        self.each = [part.unbind(0) for part in (self.raw, self.common, self.wrote)]
        self.softmax = torch.softmax(kappa * tape.noisy, 2).unbind(0)  # T of (B, N)
        self.inner, self.score, self.unit = tape.inner.unbind(0), tape.score.unbind(0), tape.unit.unbind(0)
        self.scale, self.used = (kappa / tape.length).unbind(0), tape.used.unbind(0)
        self.wide, self.slope = weights.vector.view(-1).expand(batch, slots, inner), new(batch, slots, inner)

    def chunk(self, begin: int, end: int) -> None:
        """Nothing to get ready."""

    def write(self, t: int, out: Tensor) -> None:
        """Undo the write of step t; its vector's gradient (B, R) goes into `out`."""
        slot, mine = self.before + t, self.each[2][t]
        if slot < self.count:
            memory, grad, slots = (part[slot] for part in self.columns)
            mine.copy_(slots)
            out.copy_(grad).addmm_(mine, self.weights.row)
            slots.zero_()
            grad.zero_()
            self.keys[slot] += mine.sum(0)
            memory.copy_(self.begins[slot])
        else:
            memory, grad, slots = self.rows
            at = self.chosen[t]
            torch.index_select(slots, 0, at, out=mine)
            out.copy_(torch.addmm(grad[at], mine, self.weights.row))
            slots.index_fill_(0, at, 0.0)
            grad.index_fill_(0, at, 0.0)
            self.keys.index_add_(0, at % self.count, mine)
            memory.index_copy_(0, at, self.read[t])

    def reading(self, t: int, r: Tensor, out: Tensor) -> None:
        """Pass the gradient `r` (B, R) of what step t read on; the layer's part goes into `out` (B, I)."""
        raw, common = self.each[0][t], self.each[1][t]
        weight = torch.baddbmm(self.through.unsqueeze(2), self.memory, r.unsqueeze(2)).squeeze(2)  # (B, N)
        self.rows[1].index_add_(0, self.chosen[t], r)
        score = self.score[t]
        unit = softmax_backward(weight, self.softmax[t], 1, weight.dtype)  # (B, N)
        unit.addcmul_(score, (unit * score).sum(1, True), value=-1)
        torch.mul(unit, self.scale[t], out=raw)  # (B, N)
        tanh_backward(self.wide, self.inner[t], grad_input=self.slope)  # (B, N, I)
        torch.bmm(raw.unsqueeze(1), self.slope, out=common.unsqueeze(1))  # (B, 1, I)
        self.slots.addcmul_(raw.unsqueeze(2), self.slope)  # (B, N, I)
        out.copy_(common)
        use = common @ self.weights.use  # (B, N)
        use.addcmul_(self.unit[t], (use * self.unit[t]).sum(1, True), value=-1)
        self.usage.addcdiv_(use, self.used[t])  # (B, N)
        torch.mul(raw, -PENALTY, out=self.last)  # (B, N)
        torch.add(self.usage, self.last, out=self.through)  # (B, N)

    def finish(self) -> tuple[Tensor, Tensor, Tensor, AddressWeights]:
        """Gradients of first memory, usage and read weights, and of the weights."""
        inner = self.slots.shape[2]
        first = self.slots.view(-1, inner)  # (BN, I)
        written = torch.stack(self.written).view(-1, self.grad.shape[2])  # (TB, R)
        row = self.wrote.view(-1, inner).t() @ written  # (I, R)
        row.addmm_(first.t(), self.begin.reshape(-1, self.grad.shape[2]))
        self.keys += self.slots.sum(0)  # (N, I)
        use = self.common.view(-1, inner).t() @ self.tape.unit.view(-1, self.count)  # (I, N)
        vector = (self.raw.view(1, -1) @ self.tape.inner.view(-1, inner)).t()  # (I, 1)
        memory = self.grad + self.slots @ self.weights.row  # (B, N, R)
        return memory, self.usage, self.last, AddressWeights(self.keys, row, use, vector)
