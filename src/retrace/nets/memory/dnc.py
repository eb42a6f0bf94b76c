"""The differentiable neural computer with one read head (Graves et al. 2016), written from the paper."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from retrace.nets.memory.base import State, Stepped
from retrace.nets.memory.content import LEAST, one_plus, similarity
from retrace.nets.memory.scans.dnc import DncLoop
from retrace.nets.memory.scans.node import Node


class DncState(NamedTuple):
    """h, c (B, H); memory (B, N, R); usage, write weights, precedence, read weights (B, N); links (B, N, N);
    last read (B, R).
    """

    h: Tensor
    c: Tensor
    memory: Tensor
    usage: Tensor
    writing: Tensor
    precedence: Tensor
    reading: Tensor
    links: Tensor
    read: Tensor


def allocation(usage: Tensor) -> Tensor:
    """Weights (B, N) of free slots: the least used gets most (Methods, "Dynamic memory allocation")."""
    ordered, order = usage.sort(dim=1)
    # A product of zeros has no useful gradient.
    ordered = ordered * (1 - LEAST) + LEAST
    before = torch.cat([torch.ones_like(ordered[:, :1]), ordered.cumprod(1)[:, :-1]], 1)
    return torch.zeros_like(usage).scatter(1, order, (1 - ordered) * before)


def link(links: Tensor, writing: Tensor, precedence: Tensor) -> Tensor:
    """Temporal links (B, N, N): [i, j] says how far i was written right after j (zero diagonal)."""
    w = writing.unsqueeze(2)
    after = (1 - w - writing.unsqueeze(1)) * links + w * precedence.unsqueeze(1)
    return after * (1 - torch.eye(writing.shape[1], dtype=after.dtype, device=after.device))


class Dnc(Stepped):
    """DNC: content, allocation and temporal links; equations as in Methods; the memory starts at 0."""

    def __init__(self, inputs: int, outputs: int, hidden: int, slots: int, width: int) -> None:
        super().__init__(inputs, outputs, hidden, slots, width, hidden + width, True)
        self.controller = nn.LSTMCell(inputs + width, hidden)
        # read key and strength, write key and strength, erase, write, free, allocate, write gate, modes
        self.parts = [width, 1, width, 1, width, width, 1, 1, 1, 3]
        self.interface = nn.Linear(hidden, sum(self.parts))

    def start(self, batch: int) -> DncState:
        """Zeros."""
        zero = self.head.bias.new_zeros
        h, read, none = zero(batch, self.hidden), zero(batch, self.width), zero(batch, self.slots)
        memory, links = zero(batch, self.slots, self.width), zero(batch, self.slots, self.slots)
        return DncState(h, h, memory, none, none, none, none, links, read)

    def run(self, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, DncState, Tensor]:
        """See `DncLoop`."""
        weights = (*self.controller.parameters(), *self.interface.parameters())
        out, *after, chosen = Node.apply(DncLoop(), x, *state, *weights)
        return out, DncState(*after), chosen

    def step(self, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, DncState, Tensor]:
        """Controller, write, links, read."""
        h, c, memory, usage, writing, precedence, reading, links, read = state
        h, c = self.controller(torch.cat([x, read], 1), (h, c))
        said = torch.split(self.interface(h), self.parts, dim=1)
        read_key, read_strength, key, strength, erase, what, free, allocate, gate, modes = said
        usage = (usage + writing - usage * writing) * (1 - free.sigmoid() * reading)
        content = similarity(key, memory, one_plus(strength)).softmax(1)
        share = allocate.sigmoid()
        writing = gate.sigmoid() * (share * allocation(usage) + (1 - share) * content)
        w = writing.unsqueeze(2)
        memory = memory * (1 - w * erase.sigmoid().unsqueeze(1)) + w * what.unsqueeze(1)
        links = link(links, writing, precedence)
        precedence = (1 - writing.sum(1, keepdim=True)) * precedence + writing
        forward = torch.einsum("bij,bj->bi", links, reading)
        backward = torch.einsum("bji,bj->bi", links, reading)
        content = similarity(read_key, memory, one_plus(read_strength)).softmax(1)
        choices = torch.stack([backward, content, forward], 1)
        reading = torch.einsum("bk,bkn->bn", modes.softmax(1), choices)
        read = torch.einsum("bn,bnr->br", reading, memory)
        after = DncState(h, c, memory, usage, writing, precedence, reading, links, read)
        return torch.cat([h, read], 1), after, reading
