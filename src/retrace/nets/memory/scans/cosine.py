"""Content scores of K keys over a memory, strength times cosine, forward and backward."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from retrace.nets.memory.content import EPSILON

TINY = 1e-30  # the gradient of a length is 0 where the length is


class CosineTape(NamedTuple):
    """cosine and the product of lengths (T, B, K, N); lengths of rows (T, B, 1, N) and keys (T, B, K, 1)."""

    cosine: Tensor
    lengths: Tensor
    rows: Tensor
    own: Tensor


class Cosine:
    """Scores of keys (T, B, K, R) with strengths (T, B, K, 1), both filled step by step by the caller."""

    def __init__(self, keys: Tensor, strengths: Tensor, slots: int) -> None:
        (steps, batch, heads, _), new = keys.shape, keys.new_empty
        whole = (steps, batch, heads, slots)
        self.tape = CosineTape(new(whole), new(whole), new(steps, batch, 1, slots), new(*whole[:3], 1))
        self.cosine, self.lengths, self.rows, self.own = (part.unbind(0) for part in self.tape)
        self.squeezed = self.tape.rows.squeeze(2).unbind(0)
        self.keys, self.strengths = keys.unbind(0), strengths.unbind(0)
        self.epsilon = keys.new_full((), EPSILON)

    def scores(self, t: int, memory: Tensor) -> Tensor:
        """(B, K, N) for a memory (B, N, R)."""
        torch.linalg.vector_norm(memory, 2, 2, out=self.squeezed[t])  # (B, N)
        torch.linalg.vector_norm(self.keys[t], 2, 2, True, out=self.own[t])  # (B, K, 1)
        torch.addcmul(self.epsilon, self.own[t], self.rows[t], out=self.lengths[t])  # (B, K, N)
        torch.bmm(self.keys[t], memory.transpose(1, 2), out=self.cosine[t])  # (B, K, N)
        self.cosine[t].div_(self.lengths[t])  # (B, K, N)
        return self.cosine[t] * self.strengths[t]  # (B, K, N)


class CosineBack:
    """Gradients of keys, strengths and memory from that of the scores."""

    def __init__(self, tape: CosineTape, keys: Tensor, strengths: Tensor) -> None:
        self.cosine = tape.cosine.unbind(0)
        self.slope = (strengths / tape.lengths).unbind(0)  # T of (B, K, N)
        self.unit = (keys / tape.own.clamp_min(TINY)).unbind(0)  # T of (B, K, R)
        self.rows = tape.rows.transpose(2, 3).unbind(0)  # T of (B, N, 1)
        self.own = tape.own.transpose(2, 3).unbind(0)  # T of (B, 1, K)
        self.per_row = tape.rows.clamp_min(TINY).reciprocal_().unbind(0)  # T of (B, 1, N)
        self.keys = keys.unbind(0)

    def step(self, t: int, grad: Tensor, memory: Tensor, into: Tensor, key: Tensor, strength: Tensor) -> None:
        """grad (B, K, N) of the scores at step t; adds to `into` (B, N, R), the gradient of the memory; sets
        those of the keys (B, K, R) and of the strengths (B, K).
        """
        torch.sum(grad * self.cosine[t], 2, out=strength)  # (B, K)
        dot = grad * self.slope[t]  # (B, K, N)
        length = dot * self.cosine[t]  # its negative is the gradient of the product of lengths
        torch.sub(torch.bmm(dot, memory), torch.bmm(length, self.rows[t]) * self.unit[t], out=key)
        into.baddbmm_(dot.transpose(1, 2), self.keys[t])  # (B, N, R)
        scale = torch.bmm(self.own[t], length).mul_(self.per_row[t])  # (B, 1, N)
        into.addcmul_(memory, scale.transpose(1, 2), value=-1)  # (B, N, R)
