"""Language models of published shapes and random weights, as folders that transformers reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from retrace.llm import tiny
from retrace.llm.shapes import SHAPES, Shape
from retrace.rehearsal.templates import FAMILIES

NARROW = 64  # hidden numbers of a narrow model; neurons and heads in proportion, layers as published


def write_model(folder: Path, name: str, narrow: bool, device: str) -> None:
    """Write the model that stands for `name`: bfloat16 weights drawn at random on `device`, tokens of bytes.

    `narrow`: 64 wide and of a vocabulary of bytes, else of the published shape.
    """
    shape = SHAPES[name]
    words = tokenizer(*FAMILIES[shape.family])
    mistral = shape.family == "mistral"
    make: Any = (MistralConfig, MistralForCausalLM) if mistral else (LlamaConfig, LlamaForCausalLM)
    config = make[0](
        **_sizes(shape, len(words), narrow),
        num_hidden_layers=shape.layers,
        max_position_embeddings=shape.context,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope},
        tie_word_embeddings=False,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        initializer_range=0.2 if narrow else 0.02,
    )
    torch.manual_seed(0)
    with torch.device(device):
        net = make[1](config).to(torch.bfloat16)
    net.save_pretrained(folder)
    words.save_pretrained(folder)


def _sizes(shape: Shape, tokens: int, narrow: bool) -> dict[str, int]:
    hidden = NARROW if narrow else shape.hidden
    heads = 8 if narrow else shape.heads
    return {
        "vocab_size": tokens if narrow else shape.vocabulary,
        "hidden_size": hidden,
        "intermediate_size": shape.neurons * hidden // shape.hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": heads * shape.key_value_heads // shape.heads,
        "head_dim": hidden // heads,
    }


def tokenizer(template: str, markers: tuple[str, ...]) -> Any:
    """One token a byte (256), then markers: the first begins a text, the second ends a turn and pads."""
    words = tiny.tokenizer()
    words.add_tokens([AddedToken(t, special=True, normalized=False) for t in markers], special_tokens=True)
    words.bos_token, words.eos_token, words.pad_token = markers[0], markers[1], markers[1]
    words.chat_template = template
    return words
