"""ARMIN: the address of the memory is one linear layer of hidden state and input."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from retrace.nets.memory.address import gumbel, hard, place, store
from retrace.nets.memory.base import State, Stepped, orthogonal
from retrace.nets.memory.cell import ArminCell
from retrace.nets.memory.fused.scan import Scan

READS = ("soft", "hard", "random")


class ArminState(NamedTuple):
    """h (B, H), memory (B, N, R), steps done since the start."""

    h: Tensor
    memory: Tensor
    steps: int


class Armin(Stepped):
    """ARMIN (Li et al. 2019), both variants of the official code, and a control.

    read "soft": softmax of the address (the code's algorithmic tasks); "hard": one-hot, Gumbel
    straight-through (the code's pixel task), in evaluation the largest score without noise; "random": a
    uniformly drawn slot in training and evaluation, no address layer (control). `pixels`: cell, start and
    head as in the code's pixel task.
    """

    fills: ClassVar[bool] = True

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int,
        slots: int,
        width: int,
        *,
        read: str = "soft",
        pixels: bool = False,
        overwrite: bool = True,
        fused: bool = True,
    ) -> None:
        if read not in READS:
            raise ValueError(f"read {read!r} is unknown; use one of {', '.join(READS)}")
        super().__init__(inputs, outputs, hidden, slots, width, hidden + width, overwrite)
        self.read, self.tempered, self.fused = read, read == "hard", fused
        self.cell = ArminCell(inputs, hidden, slots, width, pixels)
        if pixels:
            nn.init.xavier_normal_(self.head.weight)
        self.address = None if read == "random" else orthogonal(inputs + hidden, slots)

    def start(self, batch: int) -> ArminState:
        """Learned start of h and memory, no step done."""
        return ArminState(*self.cell.start(batch), 0)

    def draw(self, x: Tensor) -> Tensor | None:
        """Gumbel noise for hard reads in training, always for random ones."""
        if self.read == "random" or (self.read == "hard" and self.training):
            return gumbel(x, x.shape[0], x.shape[1], self.slots)
        return None

    def run(self, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, ArminState, Tensor]:
        """See `Scan`."""
        h, memory, steps = state
        address = (None, None) if self.address is None else (self.address.weight, self.address.bias)
        soft = self.read == "soft"
        weights = (*address, *self.cell.layers())
        out, h, memory, chosen = Scan.apply(x, h, memory, noise, soft, self.kappa, steps, *weights)
        return out, ArminState(h, memory, steps + x.shape[0]), chosen

    def read_weights(self, chosen: Tensor) -> Tensor:
        """Soft reads as they are; of flat rows (T, B) the one-hot slots."""
        if self.read == "soft":
            return chosen
        one = chosen.remainder(self.slots).unsqueeze(2)
        return self.head.weight.new_zeros(*one.shape[:2], self.slots).scatter_(2, one, 1.0)

    def step(self, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, ArminState, Tensor]:
        """One step of the equations, operation by operation; `scan` may fuse them."""
        h, memory, steps = state
        weights = self.weights(x, h, noise)
        r = torch.einsum("bn,bnr->br", weights, memory)
        h, out, what = self.cell(x, h, r)
        memory = store(memory, place(steps, weights), what)
        return out, ArminState(h, memory, steps + 1), weights

    def weights(self, x: Tensor, h: Tensor, noise: Tensor | None) -> Tensor:
        """Read weights (B, N)."""
        if self.address is None:
            assert noise is not None
            return hard(noise, 1.0)
        scores: Tensor = self.address(torch.cat([x, h], 1))
        if self.read == "soft":
            return scores.softmax(1)
        return hard(scores if noise is None else scores + noise, self.kappa)
