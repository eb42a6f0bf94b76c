"""The baseline without an external memory: torch.nn.LSTM."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from retrace.nets.memory.base import MemoryNet, State
from retrace.nets.memory.cell import FORGET


class LstmState(NamedTuple):
    """h and c (B, H)."""

    h: Tensor
    c: Tensor


class Lstm(MemoryNet):
    """LSTM with one orthogonal matrix, forget offset 1 and zero start, as in the official code of ARMIN.

    torch.nn.LSTM has two biases; the second is frozen and holds the forget offset. slots and width are
    ignored.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int, slots: int = 1, width: int = 1) -> None:
        super().__init__(inputs, outputs, hidden, slots, width, hidden, True)
        self.lstm = nn.LSTM(inputs, hidden)
        whole = nn.init.orthogonal_(torch.empty(4 * hidden, inputs + hidden))
        from_x, from_h, bias, offset = self.lstm.parameters()
        with torch.no_grad():
            from_x.copy_(whole[:, :inputs])
            from_h.copy_(whole[:, inputs:])
            bias.zero_()
            offset.zero_()[hidden : 2 * hidden] = FORGET
        offset.requires_grad_(False)

    def start(self, batch: int) -> LstmState:
        """Zeros."""
        zeros = self.head.bias.new_zeros(batch, self.hidden)
        return LstmState(zeros, zeros)

    def scan(
        self, x: Tensor, state: State, noise: Tensor | None, reads: bool
    ) -> tuple[Tensor, LstmState, None]:
        """The library's own scan."""
        h, c = state
        out, (h, c) = self.lstm(x, (h.unsqueeze(0), c.unsqueeze(0)))
        return out, LstmState(h[0], c[0]), None
