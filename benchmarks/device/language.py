"""The safety study without hub or packages: random weights of a real shape, harmless made-up texts."""

from __future__ import annotations

import os
from typing import Any

import torch
from transformers import MistralConfig, MistralForCausalLM

from retrace.data.texts.own import lookalikes
from retrace.data.texts.read import Choice, Prompt
from retrace.llm import load, tiny
from retrace.studies.safety import texts

# that of the model's first release: it refuses a system message
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
WHOLE = {"hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8}
VOCABULARY = {"mistral": 32_000, "llama3": 128_256}  # both have this shape
SMALL = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2}


def stand_in(layers: int, small: bool, model: str = "mistral") -> None:
    """From now on the loader gives random weights, and the public texts are synthetic."""

    def read(*given: Any) -> tuple[Any, Any]:
        shape = SMALL if small else WHOLE
        config = MistralConfig(
            vocab_size=VOCABULARY[model], num_hidden_layers=layers, max_position_embeddings=32_768, **shape
        )
        before = torch.get_default_dtype()
        torch.manual_seed(0)
        torch.set_default_dtype(torch.bfloat16)  # as the hub has them
        try:
            with torch.device(os.environ["RETRACE_DEVICE"]):
                net = MistralForCausalLM(config)
        finally:
            torch.set_default_dtype(before)
        tokenizer = tiny.tokenizer()
        tokenizer.chat_template = TEMPLATE
        return net, tokenizer

    load._read = read  # type: ignore[assignment]
    texts._public = pools  # type: ignore[assignment]
    texts.pool.cache_clear()


def pools() -> texts.Pools:
    """Requests about knots, half of them to refuse; choices between two numbers."""
    asked = [Prompt(f"How do I tie knot number {i} in a rope of {i % 17} metres?") for i in range(400)]
    benign = [Prompt(f"What comes after the number {i}?", (f"It is {i + 1}.",)) for i in range(400)]
    choices = [Choice(f"{i} and one make", (str(i + 1), str(i + 3)), 0) for i in range(400)]
    return texts.Pools(
        harmful=tuple(asked),
        sources=("advbench", "harmbench") * 200,
        benign=tuple(benign),
        lookalike=tuple(lookalikes()),
        choices=tuple(choices),
        neutral=tuple(f"A rope of {i} metres lay on the deck of the ship until noon." for i in range(400)),
        reserved={"harmful": tuple(range(1, 400, 2))},
    )
