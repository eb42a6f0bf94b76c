"""Content addressing of NTM, DNC and SAM: cosine similarity, sharpened by a strength."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LEAST = 1e-6  # the DNC moves usage into [LEAST, 1] for the allocation
EPSILON = 1e-6  # keeps an empty row's similarity at zero


def similarity(key: Tensor, memory: Tensor, strength: Tensor) -> Tensor:
    """strength (B, 1) times the cosine of key (B, R) with each row of memory (B, N, R): (B, N)."""
    lengths = key.norm(dim=1, keepdim=True) * memory.norm(dim=2)
    dot = torch.einsum("br,bnr->bn", key, memory)
    result: Tensor = strength * dot / (lengths + EPSILON)
    return result


def one_plus(x: Tensor) -> Tensor:
    """1 + log(1 + exp x), at least 1."""
    return 1 + F.softplus(x)
