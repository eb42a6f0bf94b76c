"""How a slot is chosen: Gumbel noise with a straight-through gradient, and TARDIS's scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retrace.nets.memory.base import orthogonal


def gumbel(like: Tensor, steps: int, batch: int, slots: int) -> Tensor:
    """Standard Gumbel noise (steps, batch, slots) of the type and device of `like`."""
    uniform = torch.rand(steps, batch, slots, dtype=like.dtype, device=like.device)
    return uniform.clamp_(min=torch.finfo(like.dtype).tiny).log_().neg_().log_().neg_()


def hard(scores: Tensor, kappa: float) -> Tensor:
    """One-hot of the largest score; its gradient is that of softmax(kappa scores). Any shape (..., slots).

    The straight-through estimator of Jang et al. 2017 (Gumbel-softmax) when the scores carry Gumbel noise.
    """
    soft = F.softmax(kappa * scores, dim=-1)
    one = torch.zeros_like(soft).scatter_(-1, scores.argmax(-1, keepdim=True), 1.0)
    return one + (soft - soft.detach())


def store(memory: Tensor, where: Tensor, what: Tensor) -> Tensor:
    """Memory (B, N, R) with `what` (B, R) blended in by the weights `where` (B, N)."""
    u = where.unsqueeze(2)
    return memory * (1 - u) + u * what.unsqueeze(1)


def place(steps: int, read: Tensor) -> Tensor:
    """Where to write (B, N): slot `steps` while the memory fills, then what was just read, no gradient."""
    if steps >= read.shape[1]:
        return read.detach()
    fill = torch.zeros_like(read, requires_grad=False)
    fill[:, steps] = 1.0
    return fill


class TardisAddress(nn.Module):
    """Scores of TARDIS (Gulcehre et al. 2017) as in the official code of ARMIN, scaled to unit length there.

    score_n = a tanh(W[x; h; key_n; M_n; usage / |usage|]) - 100 (previous read weight)_n.
    """

    def __init__(self, inputs: int, hidden: int, slots: int, width: int, key: int) -> None:
        super().__init__()
        inner = max(hidden // 4, 1)
        self.sizes = [inputs + hidden, key, width, slots]
        self.keys = nn.Parameter(nn.init.orthogonal_(torch.empty(slots, key)))
        self.mix = orthogonal(sum(self.sizes), inner)
        self.vector = nn.Parameter(nn.init.orthogonal_(torch.empty(inner, 1)))

    def forward(self, x: Tensor, h: Tensor, memory: Tensor, usage: Tensor, last: Tensor) -> Tensor:
        """Scores (B, N) from x (B, X), h (B, H), memory (B, N, R), usage and last read weights (B, N)."""
        # The layer acts on a sum of parts; only two of them differ from slot to slot.
        now, key, row, use = torch.split(self.mix.weight, self.sizes, dim=1)
        common = F.linear(torch.cat([x, h], 1), now, self.mix.bias)
        common = common + F.linear(F.normalize(usage, dim=1), use)
        inner = common.unsqueeze(1) + F.linear(self.keys, key) + F.linear(memory, row)
        score = (inner.tanh() @ self.vector).squeeze(2) - 100 * last
        return F.normalize(score, dim=1)
