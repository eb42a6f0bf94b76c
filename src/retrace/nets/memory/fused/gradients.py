"""Gradients of the weights and of x, added up over chunks of steps: one product per weight and chunk."""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.nets.memory.fused.tape import Sizes, Tape, Weights


class Gradients:
    """Sums so far: `weights` in the order of `Weights`, `x` (T, B, X) or None when nobody asks."""

    def __init__(self, s: Sizes, tape: Tape, weights: Weights, need_x: bool) -> None:
        self.s, self.tape, self.given = s, tape, weights
        self.weights = [None if part is None else torch.zeros_like(part) for part in weights]
        self.x = tape.late.new_empty(s.T, s.B, s.X) if need_x else None

    def add(self, early: Tensor, late: Tensor, begin: int, end: int) -> None:
        """Add steps begin to end: early (n + 1, B, early), late (n, B, late) are the logits' gradients."""
        s, rows = self.s, (end - begin) * self.s.B
        into = Weights(*self.weights)  # type: ignore[arg-type]
        cut, inputs = s.A + s.H + s.R, s.X + s.H + s.R
        seen = self.tape.seen[begin : end + 1].view(-1, inputs)
        table = early.view(-1, s.early)
        address, gates = table[:rows, : s.A], table[:rows, s.A : cut]
        written, last = table[s.B :, cut:], late.view(rows, -1)
        now, following = seen[:rows], seen[s.B :]
        gated = seen[:rows].clone()
        gated[:, s.X :] *= self.tape.early[begin:end].view(rows, -1)[:, s.A : cut]
        into.update.addmm_(last.t(), gated)
        into.update_bias.add_(last.sum(0))
        into.gate.addmm_(gates.t(), now)
        into.gate_bias.add_(gates.sum(0))
        into.write[:, : s.X].addmm_(written.t(), now[:, : s.X])
        into.write[:, s.X :].addmm_(written.t(), following[:, s.X : s.X + s.H])
        into.write_bias.add_(written.sum(0))
        if into.address is not None and into.address_bias is not None:
            into.address.addmm_(address.t(), now[:, : s.X + s.H])
            into.address_bias.add_(address.sum(0))
        if self.x is not None:
            x = self.x[begin:end].view(rows, s.X)
            torch.mm(last, self.given.update[:, : s.X], out=x)
            x.addmm_(gates, self.given.gate[:, : s.X]).addmm_(written, self.given.write[:, : s.X])
            if self.given.address is not None:
                x.addmm_(address, self.given.address[:, : s.X])
