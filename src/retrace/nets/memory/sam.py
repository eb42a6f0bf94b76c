"""Sparse access memory (Rae et al. 2016), written from the paper; the sums are dense, the weights sparse."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from retrace.nets.memory.base import State, Stepped
from retrace.nets.memory.content import one_plus, similarity
from retrace.nets.memory.scans.node import Node
from retrace.nets.memory.scans.sam import ACCESS, SamLoop


class SamState(NamedTuple):
    """h, c (B, H); memory (B, N, R); read weights, steps since the last access (B, N); last read (B, R)."""

    h: Tensor
    c: Tensor
    memory: Tensor
    reading: Tensor
    idle: Tensor
    read: Tensor


def sparse(scores: Tensor, kept: int) -> Tensor:
    """Softmax over the `kept` largest scores of each row (B, N), zero elsewhere."""
    top, at = scores.topk(kept, dim=1)
    return torch.zeros_like(scores).scatter(1, at, top.softmax(1))


class Sam(Stepped):
    """SAM with one head: reads the `kept` most similar slots; writes to what it last read or, erasing it, to
    the slot longest unused (section 3).

    Similarity is the cosine times a learned strength, and a step writes before it reads; memory starts at
    zero (our choices where the paper leaves them open).
    """

    def __init__(
        self, inputs: int, outputs: int, hidden: int, slots: int, width: int, *, kept: int = 4
    ) -> None:
        super().__init__(inputs, outputs, hidden, slots, width, hidden + width, True)
        if not 1 <= kept <= slots:
            raise ValueError(f"kept must be between 1 and slots ({slots}), not {kept}")
        self.kept = kept
        self.controller = nn.LSTMCell(inputs + width, hidden)
        self.parts = [width, 1, width, 1, 1]  # key, strength, write vector, write gate, interpolation
        self.interface = nn.Linear(hidden, sum(self.parts))

    def start(self, batch: int) -> SamState:
        """Zeros; the slots count as unused from the last to the first, so the first writes fill 0, 1, ..."""
        zero = self.head.bias.new_zeros
        h, read, none = zero(batch, self.hidden), zero(batch, self.width), zero(batch, self.slots)
        idle = torch.arange(self.slots, 0, -1, dtype=h.dtype, device=h.device).expand(batch, -1)
        return SamState(h, h, zero(batch, self.slots, self.width), none, idle, read)

    def run(self, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, SamState, Tensor]:
        """See `SamLoop`."""
        weights = (*self.controller.parameters(), *self.interface.parameters())
        out, *after, chosen = Node.apply(SamLoop(self.kept), x, *state, *weights)
        return out, SamState(*after), chosen

    def step(self, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, SamState, Tensor]:
        """Controller, write, sparse read."""
        h, c, memory, reading, idle, read = state
        h, c = self.controller(torch.cat([x, read], 1), (h, c))
        key, strength, what, gate, mix = torch.split(self.interface(h), self.parts, dim=1)
        unused = torch.zeros_like(idle).scatter(1, idle.argmax(1, keepdim=True), 1.0)
        mix = mix.sigmoid()
        writing = gate.sigmoid() * (mix * reading + (1 - mix) * unused)
        memory = (1 - unused.unsqueeze(2)) * memory + writing.unsqueeze(2) * what.unsqueeze(1)
        reading = sparse(similarity(key, memory, one_plus(strength)), self.kept)
        read = torch.einsum("bn,bnr->br", reading, memory)
        idle = (idle + 1) * ((reading + writing) <= ACCESS)
        return torch.cat([h, read], 1), SamState(h, c, memory, reading, idle, read), reading
