"""The neural Turing machine with one read and one write head (Graves et al. 2014)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retrace.nets.memory.base import State, Stepped
from retrace.nets.memory.content import one_plus, similarity
from retrace.nets.memory.scans.node import Node
from retrace.nets.memory.scans.ntm import NtmLoop

GAIN = 1.4  # of the heads' initial weights (official code of ARMIN)


class NtmState(NamedTuple):
    """h and c (B, H), memory (B, N, R), read and write weights (B, N), last read (B, R)."""

    h: Tensor
    c: Tensor
    memory: Tensor
    reading: Tensor
    writing: Tensor
    read: Tensor


class Ntm(Stepped):
    """NTM in the form of the official code of ARMIN: heads see the cell state scaled to unit length, a write
    blends w a + (1 - w) M without an erase vector, the head reads before it writes.

    Start of h, c and memory are learned; the first read is zero (the code draws it). The code counts
    2 hidden + slots width + (hidden + 1) width weights more, which never get a gradient and are left out.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int, slots: int, width: int) -> None:
        super().__init__(inputs, outputs, hidden, slots, width, hidden + width, True)
        self.controller = nn.LSTMCell(inputs + width, hidden)
        self.reader = nn.Linear(hidden, width + 6)
        self.writer = nn.Linear(hidden, 2 * width + 6)
        for layer in (self.reader, self.writer):
            nn.init.xavier_uniform_(layer.weight, gain=GAIN)
            nn.init.normal_(layer.bias, std=0.01)
        self.h0, self.c0 = (nn.Parameter(torch.empty(hidden).uniform_(-1, 1)) for _ in range(2))
        self.memory = nn.Parameter(torch.empty(slots, width).uniform_(-1, 1))

    def start(self, batch: int) -> NtmState:
        """Learned h, c and memory; weights and read zero."""
        h, c = self.h0.expand(batch, -1), self.c0.expand(batch, -1)
        none = self.memory.new_zeros(batch, self.slots)
        read = self.memory.new_zeros(batch, self.width)
        return NtmState(h, c, self.memory.sigmoid().expand(batch, -1, -1), none, none, read)

    def run(self, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, NtmState, Tensor]:
        """See `NtmLoop`."""
        layers = (self.controller, self.reader, self.writer)
        weights = [part for layer in layers for part in layer.parameters()]
        out, *after, chosen = Node.apply(NtmLoop(), x, *state, *weights)
        return out, NtmState(*after), chosen

    def step(self, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, NtmState, Tensor]:
        """Controller, read, write."""
        h, c, memory, reading, writing, read = state
        h, c = self.controller(torch.cat([x, read], 1), (h, c))
        seen = F.normalize(c, dim=1)
        reading = self.weights(self.reader(seen), memory, reading)
        read = torch.einsum("bn,bnr->br", reading, memory)
        emitted, what = self.writer(seen).tensor_split([self.width + 6], dim=1)
        writing = self.weights(emitted, memory, writing)
        u = writing.unsqueeze(2)
        memory = u * what.unsqueeze(1) + (1 - u) * memory
        return torch.cat([h, read], 1), NtmState(h, c, memory, reading, writing, read), reading

    def weights(self, emitted: Tensor, memory: Tensor, last: Tensor) -> Tensor:
        """Weights (B, N): content, interpolation, shift by -1, 0 or 1, sharpening (section 3.3)."""
        key, strength, gate, shift, sharp = torch.split(emitted, [self.width, 1, 1, 3, 1], dim=1)
        content = similarity(key, memory, F.softplus(strength)).softmax(1)
        gate = gate.sigmoid()
        mixed = gate * content + (1 - gate) * last
        shifts = torch.stack([mixed.roll(by, 1) for by in (-1, 0, 1)], 1)
        moved = torch.einsum("bk,bkn->bn", shift.softmax(1), shifts)
        sharpened = moved ** one_plus(sharp)
        return sharpened / (sharpened.sum(1, keepdim=True) + 1e-16)
