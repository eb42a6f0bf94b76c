"""Two small random transformers, one of each order of LayerNorms: the real classes, and nothing to fetch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel

WORDS = 259  # one token a byte, a start mark, an end mark, padding
START, END, PADDING = 256, 257, 258


def bytes_of(texts: list[str], longest: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (N,T) and mask (N,T) of texts, one token a byte between two marks, cut to `longest`."""
    rows = [[START, *text.encode()[: longest - 2], END] for text in texts]
    width = max(map(len, rows))
    ids = torch.tensor([row + [PADDING] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


def network(order: str, layers: int = 3, seed: int = 0) -> Any:
    """A random BERT (order post) or Llama (pre), 32 channels; its norms' scales are moved far from 1.

    At 1 and 0, where training from scratch starts them, resetting would change nothing.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        shape: dict[str, Any] = {
            "vocab_size": WORDS,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "pad_token_id": PADDING,
        }
        build: Any = BertModel if order == "post" else LlamaModel
        config: Any = (
            BertConfig(**shape, initializer_range=0.2)
            if order == "post"
            else LlamaConfig(**shape, num_key_value_heads=2, head_dim=8, initializer_range=0.2)
        )
        config._attn_implementation = "eager"
        net: nn.Module = build(config)
        for name, values in net.named_parameters():
            if "norm" in name.lower() and name.endswith("weight"):
                nn.init.uniform_(values, 0.3, 1.0)
    return net
