"""The scan forward: per step one product with h, one with r, one with both gated, and a read."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from retrace.nets.memory.fused.tape import Sizes, Tape, Weights, buffers, project, rows


def span(s: Sizes) -> int:
    """Steps between two memories kept for the backward pass of soft reads that overwrite."""
    return max(1, math.isqrt(max(0, s.T - s.filling)))


class Picker(Protocol):
    """Chooses the slot that a step reads, in place of the largest address logit."""

    def pick(self, t: int, logits: Tensor, out: Tensor) -> None:
        """From logits (B, A), which it may change, to flat rows (B,) of the memory."""

    def wrote(self, t: int, what: Tensor) -> None:
        """Hear that step t wrote `what` (B, R)."""


def run(
    s: Sizes,
    x: Tensor,
    h: Tensor,
    memory: Tensor,
    weights: Weights,
    noise: Tensor | None,
    soft: bool,
    picker: Picker | None = None,
) -> tuple[Tape, Tensor]:
    """All steps; returns the buffers and the memory after the last. Changes none of its inputs.

    x (T, B, X), h (B, H), memory (B, N, R); noise (T, B, N) is added to the scores of hard reads, or is the
    scores where none are learned.
    """
    early, late, seen = buffers(s, x)
    project(s, x, weights, noise, early, late)
    seen[:-1, :, : s.X] = x
    seen[-1, :, : s.X] = 0
    seen[0, :, s.X : s.X + s.H] = h
    seen[-1, :, s.X + s.H :] = 0
    memory = memory.clone(memory_format=torch.contiguous_format)
    chosen, kept = _loop(s, early, late, seen[..., s.X :], memory, weights, noise, soft, picker)
    return Tape(early, late, seen, chosen, kept), memory


def _loop(
    s: Sizes,
    early: Tensor,
    late: Tensor,
    both: Tensor,
    memory: Tensor,
    weights: Weights,
    noise: Tensor | None,
    soft: bool,
    picker: Picker | None,
) -> tuple[Tensor, Tensor]:
    from_h = rows(s, weights, slice(s.X, s.X + s.H)).t().contiguous()
    from_r = weights.gate[:, s.X + s.H :].t().contiguous()
    from_both = weights.update[:, s.X :].t().contiguous()
    cut = s.A + s.H + s.R
    # A view costs about as much as a small operation: make them all at once.
    h, r = both[..., : s.H].unbind(0), both[..., s.H :].unbind(0)
    scores, gates, written = (
        early[..., : s.A].unbind(0),
        early[..., s.A : cut].unbind(0),
        early[..., cut:].unbind(0),
    )
    j, i, f = (late[..., k * s.H : (k + 1) * s.H].unbind(0) for k in range(3))
    sigmoids = late[..., s.H :].unbind(0)
    row, part, whole = early.unbind(0), late.unbind(0), both.unbind(0)
    slots, flat = memory.unbind(1), memory.view(s.B * s.N, s.R)
    first = torch.arange(s.B, device=memory.device) * s.N
    every = span(s)
    keep: list[Tensor] = []
    if soft:
        chosen = memory.new_empty(s.T, s.B, s.N)
        wide, tall = chosen.unsqueeze(2).unbind(0), chosen.unsqueeze(3).unbind(0)
    elif s.A:
        chosen = torch.empty(s.T, s.B, dtype=torch.long, device=memory.device)
    else:
        assert noise is not None
        chosen = noise.argmax(2).add_(first)
    pick, gated = chosen.unbind(0), torch.empty_like(both[0])
    for t in range(s.T + 1):
        row[t].addmm_(h[t], from_h)
        if t:
            if t <= s.filling:
                slots[s.before + t - 1].copy_(written[t])
            elif soft:
                if (t - 1 - s.filling) % every == 0:
                    keep.append(memory.clone())
                memory.lerp_(written[t].unsqueeze(1), tall[t - 1])
            else:
                flat.index_copy_(0, pick[t - 1], written[t])
            if picker is not None:
                picker.wrote(t - 1, written[t])
        if t == s.T:
            break
        if soft:
            torch.softmax(scores[t], 1, out=pick[t])
            r[t].copy_(torch.bmm(wide[t], memory).squeeze(1))
        else:
            if picker is not None:
                picker.pick(t, scores[t], pick[t])
            elif s.A:
                torch.add(scores[t].argmax(1), first, out=pick[t])
            torch.index_select(flat, 0, pick[t], out=r[t])
        gates[t].addmm_(r[t], from_r).sigmoid_()
        torch.mul(whole[t], gates[t], out=gated)
        part[t].addmm_(gated, from_both)
        j[t].tanh_()
        sigmoids[t].sigmoid_()
        torch.mul(h[t], f[t], out=h[t + 1]).addcmul_(i[t], j[t]).tanh_()
    return chosen, torch.stack(keep) if keep else memory.new_empty(0)
