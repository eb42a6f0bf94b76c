"""Sizes of language models, counted by hand: what the work of a stage follows from without loading torch."""

from __future__ import annotations

from typing import NamedTuple


class Model(NamedTuple):
    """Parameters of the layers and of the output, layers, width."""

    layers_parameters: float
    output_parameters: float
    layers: int
    width: int


MODELS = {
    "tiny": Model(4e4, 8e3, 3, 32),
    "smollm2-135m-instruct": Model(106.2e6, 28.3e6, 30, 576),
    "llama-2-7b-chat": Model(6.48e9, 0.13e9, 32, 4096),
    "llama-2-13b-chat": Model(12.7e9, 0.16e9, 40, 5120),
    "llama-3-8b-instruct": Model(6.98e9, 0.53e9, 32, 4096),
    "lmsys/vicuna-7b-v1.3": Model(6.48e9, 0.13e9, 32, 4096),
    "lmsys/vicuna-33b-v1.3": Model(32.1e9, 0.21e9, 60, 6656),
    "mistral-7b-instruct-v0.2": Model(6.98e9, 0.13e9, 32, 4096),
}
