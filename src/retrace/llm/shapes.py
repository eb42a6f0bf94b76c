"""Published shapes of language models, as facts; free of torch, so that planning is quick."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A decoder of the Llama family, embedding and head apart; `family` is that of its chat template."""

    family: str
    vocabulary: int
    hidden: int
    neurons: int
    layers: int
    heads: int
    key_value_heads: int
    context: int
    rope: float

    @property
    def layer_weights(self) -> int:
        """Weights of a layer: queries and outputs, keys and values, three matrices of neurons, two norms."""
        key_value = self.hidden * self.key_value_heads // self.heads
        return self.hidden * (2 * self.hidden + 2 * key_value + 3 * self.neurons + 2)

    @property
    def weights(self) -> int:
        """All weights."""
        return self.layers * self.layer_weights + self.hidden * (2 * self.vocabulary + 1)


# from the config.json of each model's repository
SHAPES = {
    "llama-2-7b-chat": Shape("llama-2", 32_000, 4096, 11_008, 32, 32, 32, 4096, 1e4),
    "llama-2-13b-chat": Shape("llama-2", 32_000, 5120, 13_824, 40, 40, 40, 4096, 1e4),
    "llama-3-8b-instruct": Shape("llama-3", 128_256, 4096, 14_336, 32, 32, 8, 8192, 5e5),
    "mistral-7b-instruct-v0.2": Shape("mistral", 32_000, 4096, 14_336, 32, 32, 8, 32_768, 1e6),
}
