"""The ARMIN cell without its address: two gated integrations of hidden state and read vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retrace.nets.memory.base import orthogonal

FORGET = 1.0  # offset of the forget gate's logit


class ArminCell(nn.Module):
    """Gates, update and write vector of ARMIN (Li et al. 2019, official code).

    gate: [x; h; r] to H + R; update: [x; h gated; r gated] to 4H + R in the order j, i, f, o, q (the code's
    is i, j, f, o, q: a renaming of rows); write: [x; next h] to R. Learned start of h and of the memory.
    `pixels`: as in the code's pixel task, where the write vector is made from the next h alone, and the start
    of h drawn from N(0, 1) instead of U(0, 1) before it is learned.
    """

    def __init__(self, inputs: int, hidden: int, slots: int, width: int, pixels: bool = False) -> None:
        super().__init__()
        if width > hidden:
            raise ValueError(f"width {width} is above hidden {hidden}; the cell needs width <= hidden")
        self.inputs, self.hidden, self.width, self.pixels = inputs, hidden, width, pixels
        self.gate = orthogonal(inputs + hidden + width, hidden + width)
        self.update = orthogonal(inputs + hidden + width, 4 * hidden + width)
        self.write = orthogonal(hidden if pixels else inputs + hidden, width)
        self.h = nn.Parameter(torch.randn(hidden) if pixels else torch.rand(hidden))
        self.memory = nn.Parameter(torch.zeros(slots, width))

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        """h (B, H) and memory (B, N, R) before the first step."""
        return self.h.tanh().expand(batch, -1), self.memory.expand(batch, -1, -1)

    def forward(self, x: Tensor, h: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Next h (B, H), output (B, H + R) and write vector (B, R)."""
        both = torch.cat([h, r], 1)
        gated = both * self.gate(torch.cat([x, both], 1)).sigmoid()
        z = self.update(torch.cat([x, gated], 1))
        j, i, f, o, q = z.split([*[self.hidden] * 4, self.width], dim=1)
        following = (h * (f + FORGET).sigmoid() + i.sigmoid() * j.tanh()).tanh()
        out = torch.cat([following * o.sigmoid(), r * q.sigmoid()], 1)
        return following, out, self.write(following if self.pixels else torch.cat([x, following], 1))

    def layers(self) -> tuple[Tensor, ...]:
        """Weights over [x; ...] and biases of gate, update and write layers, as the fused scans take them."""
        write = F.pad(self.write.weight, (self.inputs, 0)) if self.pixels else self.write.weight
        both = (part for layer in (self.gate, self.update) for part in (layer.weight, layer.bias))
        return *both, write, self.write.bias
