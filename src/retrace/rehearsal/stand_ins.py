"""The classes of checkpoints that a rehearsal draws, as facts; free of torch, so that planning is quick."""

from __future__ import annotations

from typing import Any

# checkpoint -> its type in transformers, and what of its configuration is not the class's default.
# The DeiT of timm is a ViT; timm itself is not asked.
STAND_INS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", {}),
    "deberta": ("deberta", {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}),
    "distilbert": ("distilbert", {}),
    "electra": ("electra", {"embedding_size": 32}),
    "longformer": ("longformer", {"attention_window": [16] * 12}),
    "roberta": ("roberta", {}),
    "gpt-neo": ("gpt_neo", {"attention_types": [[["global", "local"], 6]]}),
    "qwen2": ("qwen2", {"num_key_value_heads": 2}),
    "gpt2-medium": ("gpt2", {}),
    "roberta-prelayernorm": ("roberta-prelayernorm", {}),
    "vit-b": ("vit", {}),
    "deit": ("vit", {}),
    "vit-s-msn": ("vit_msn", {}),
}
