"""A small random Llama with a byte-level tokenizer: the real classes, and nothing to fetch."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

START, END = "<|im_start|>", "<|im_end|>"
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def tokenizer() -> Any:
    """One token a byte (256), then the two ChatML markers; the end marker is also the padding."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    built = Tokenizer(models.BPE({token: number for number, token in enumerate(alphabet)}, []))
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    built.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in (START, END)])
    build: Any = PreTrainedTokenizerFast
    wrapped = build(
        tokenizer_object=built,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = CHATML
    return wrapped


def network(seed: int = 0, layers: int = 4, context: int = 512) -> Any:
    """A float32 LlamaForCausalLM: hidden 32, 64 MLP neurons, 4 query and 2 key/value heads, 258 tokens."""
    config = LlamaConfig(
        vocab_size=258,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=256,
        eos_token_id=257,
        pad_token_id=257,
        initializer_range=0.2,  # at the usual 0.02 every prediction of so small a net is flat
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built: Any = LlamaForCausalLM(config)
        return built.eval()
