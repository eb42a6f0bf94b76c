"""Prompts of a small diffusion model: a few words, encoded by a table and one residual layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NULL, PHOTO, OF = 0, 1, 2
FIRST = 3  # token of domain 0
PLACES = 16  # the longest prompt


class TextEncoder(nn.Module):
    """Tokens to context: embedding, place, one residual layer, layer normalisation."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(tokens, width)
        self.places = nn.Parameter(0.02 * torch.randn(PLACES, width))
        self.first = nn.Linear(width, 2 * width)
        self.second = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B,T) -> context (B,T,E)."""
        return self.encode(self.table(tokens))

    def encode(self, embedded: Tensor) -> Tensor:
        """Embeddings (B,T,E) -> context (B,T,E): for words that stand in no table."""
        h = embedded + self.places[: embedded.shape[1]]
        out: Tensor = self.norm(h + self.second(F.silu(self.first(h))))
        return out


def photo_of(domains: Tensor) -> Tensor:
    """The prompt "photo of <domain>" of each domain (B,), tokens (B,3)."""
    lead = domains.new_tensor([PHOTO, OF]).expand(len(domains), 2)
    return torch.cat([lead, domains.unsqueeze(1) + FIRST], 1)


def nothing(count: int, device: torch.device | str = "cpu") -> Tensor:
    """The empty prompt, tokens (count,3): what guidance steers away from."""
    return torch.full((count, 3), NULL, device=device)
