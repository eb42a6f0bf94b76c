"""TARDIS, and the ablation "awta": ARMIN's cell behind TARDIS's address."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retrace.nets.memory.address import TardisAddress, gumbel, hard, place, store
from retrace.nets.memory.base import State, Stepped, orthogonal
from retrace.nets.memory.cell import FORGET, ArminCell
from retrace.nets.memory.scans.awta import AwtaLoop
from retrace.nets.memory.scans.node import Node
from retrace.nets.memory.scans.tardis import SHARPNESS, TardisLoop

Weights = tuple[Tensor, ...]


class TardisState(NamedTuple):
    """h and c (B, H), memory (B, N, R), usage and last read weights (B, N), steps done since the start."""

    h: Tensor
    c: Tensor
    memory: Tensor
    usage: Tensor
    last: Tensor
    steps: int


class Addressed(Stepped):
    """What both have: TARDIS's scores, a hard read by Gumbel noise, the usage count."""

    fills: ClassVar[bool] = True
    tempered = True
    gated: ClassVar[int] = 0  # scalar gates that get noise, too

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int,
        slots: int,
        width: int,
        *,
        key: int = 5,
        overwrite: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, hidden, slots, width, hidden + width, overwrite)
        self.address = TardisAddress(inputs, hidden, slots, width, key)

    def draw(self, x: Tensor) -> Tensor | None:
        """Gumbel noise in training."""
        return gumbel(x, x.shape[0], x.shape[1], self.slots + self.gated) if self.training else None

    def run(self, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, TardisState, Tensor]:
        """The fused scan of `loop`, the address layer cut into parts: of slots, of input and state."""
        now, key, row, use = torch.split(self.address.mix.weight, self.address.sizes, dim=1)
        parts = (F.linear(self.address.keys, key), row, use, self.address.vector)
        return self.loop(x, state, noise, parts, (now, self.address.mix.bias))

    @abstractmethod
    def loop(
        self, x: Tensor, state: State, noise: Tensor | None, parts: Weights, now: Weights
    ) -> tuple[Tensor, TardisState, Tensor]:
        """The fused scan; `parts` and `now` are the address layer's, of slots and of input and state."""

    def step(self, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, TardisState, Tensor]:
        """Read, integrate, write to the slot of the fill phase or to the slot just read."""
        h, c, memory, usage, last, steps = state
        scores = self.address(x, c, memory, usage, last)
        weights = hard(scores if noise is None else scores + noise[:, : self.slots], self.kappa)
        r = torch.einsum("bn,bnr->br", weights, memory)
        h, c, out, what = self.integrate(x, h, c, r, None if noise is None else noise[:, self.slots :])
        memory = store(memory, place(steps, weights), what)
        return out, TardisState(h, c, memory, usage + weights, weights, steps + 1), weights

    @abstractmethod
    def integrate(
        self, x: Tensor, h: Tensor, c: Tensor, r: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Next h and c (B, H), output (B, H + R), write vector (B, R)."""


class Tardis(Addressed):
    """TARDIS (Gulcehre et al. 2017) as in the official code of ARMIN: an LSTM, h and read scaled by gates."""

    gated: ClassVar[int] = 2

    def __init__(self, inputs: int, outputs: int, hidden: int, slots: int, width: int, **more: Any) -> None:
        super().__init__(inputs, outputs, hidden, slots, width, **more)
        total = inputs + hidden + width
        self.gates = orthogonal(total, 3 * hidden)
        self.scalars = orthogonal(total, 2)
        self.candidate = orthogonal(total, hidden)
        self.write = orthogonal(inputs + hidden, width)
        self.h0, self.c0 = nn.Parameter(torch.zeros(hidden)), nn.Parameter(torch.zeros(hidden))
        self.memory = nn.Parameter(torch.zeros(slots, width))

    def start(self, batch: int) -> TardisState:
        """Learned h, c and memory; nothing read yet."""
        h, c = self.h0.tanh().expand(batch, -1), self.c0.tanh().expand(batch, -1)
        none = self.memory.new_zeros(batch, self.slots)
        return TardisState(h, c, self.memory.expand(batch, -1, -1), none, none, 0)

    def loop(
        self, x: Tensor, state: State, noise: Tensor | None, parts: Weights, now: Weights
    ) -> tuple[Tensor, TardisState, Tensor]:
        """See `TardisLoop`."""
        *begin, steps = state
        layers = (self.gates, self.scalars, self.candidate, self.write)
        weights = [part for layer in layers for part in layer.parameters()]
        scan = TardisLoop(noise, self.kappa, steps)
        out, h, c, memory, usage, last, chosen = Node.apply(scan, x, *begin, *parts, *now, *weights)
        return out, TardisState(h, c, memory, usage, last, steps + x.shape[0]), chosen

    def integrate(
        self, x: Tensor, h: Tensor, c: Tensor, r: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """LSTM step whose candidate sees h and r through two scalar gates, noisy in training."""
        both = torch.cat([x, h, r], 1)
        i, f, o = self.gates(both).chunk(3, dim=1)
        logits = self.scalars(both)
        if noise is not None:
            logits = logits + noise
        alpha, beta = (SHARPNESS * logits).sigmoid().chunk(2, dim=1)
        candidate = self.candidate(torch.cat([x, alpha * h, beta * r], 1)).tanh()
        c = c * (f + FORGET).sigmoid() + i.sigmoid() * candidate
        h = c.tanh() * o.sigmoid()
        return h, c, torch.cat([h, r], 1), self.write(torch.cat([x, h], 1))


class Awta(Addressed):
    """ARMIN's cell with TARDIS's address ("awta", an ablation in the official code of ARMIN)."""

    def __init__(self, inputs: int, outputs: int, hidden: int, slots: int, width: int, **more: Any) -> None:
        super().__init__(inputs, outputs, hidden, slots, width, **more)
        self.cell = ArminCell(inputs, hidden, slots, width)

    def start(self, batch: int) -> TardisState:
        """Learned h (held as c, too) and memory; nothing read yet."""
        h, memory = self.cell.start(batch)
        none = memory.new_zeros(batch, self.slots)
        return TardisState(h, h, memory, none, none, 0)

    def loop(
        self, x: Tensor, state: State, noise: Tensor | None, parts: Weights, now: Weights
    ) -> tuple[Tensor, TardisState, Tensor]:
        """See `AwtaLoop`."""
        _, *begin, steps = state
        weights = self.cell.layers()
        scan = AwtaLoop(noise, self.kappa, steps)
        out, h, memory, usage, last, chosen = Node.apply(scan, x, *begin, *now, *parts, *weights)
        return out, TardisState(h, h, memory, usage, last, steps + x.shape[0]), chosen

    def integrate(
        self, x: Tensor, h: Tensor, c: Tensor, r: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """ARMIN's cell; its only state is c."""
        c, out, what = self.cell(x, c, r)
        return c, c, out, what
