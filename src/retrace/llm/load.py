"""A language model by name, ready to compute: network, tokenizer, and what tables must say of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from retrace.llm import tiny
from retrace.llm.convert import converted
from retrace.llm.names import Source, source
from retrace.stage import StageError

logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # a job writes lines, not bars
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model of the Llama family; `net` computes in evaluation mode, without gradients.

    `note` says what is particular about the weights.
    """

    name: str
    net: Any
    tokenizer: Any
    note: str

    @property
    def layers(self) -> int:
        """Number of decoder layers."""
        return len(self.net.model.layers)

    @property
    def context(self) -> int:
        """Longest row of tokens."""
        return int(self.net.config.max_position_embeddings)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self.net.model.embed_tokens.weight.device
        return device


def load(
    name: str,
    device: str = "cpu",
    dtype: str = "float32",
    cache: Path | None = None,
    trained: int | None = None,
) -> LanguageModel:
    """The model of that name; GGUF sources are converted once into `cache` (`wheels.cache_folder()`).

    `name` is one of `names.MODELS`, a hub repository, or a folder in the format of transformers.
    Weights are read as they are stored and then have `dtype`; those of the layers from `trained` on, and the
    last norm, are float32 whatever it is: small updates vanish in bfloat16.
    Errors: StageError, one line, for an unknown name or dtype, a model that is absent, gated or not of the
    Llama family, and weights that do not fit the device.
    """
    if dtype not in DTYPES:
        raise StageError(f"dtype {dtype!r} is unknown; use one of {', '.join(DTYPES)}")
    found = source(name)
    try:
        net, tokenizer = _read(name, found, cache)
        net = net.to(device).eval().requires_grad_(False)
        check(name, net)
        _convert(net, DTYPES[dtype], trained)
    except torch.OutOfMemoryError:
        raise StageError(
            f"language model {name}: its weights do not fit the memory of {device}; "
            "use bfloat16, train fewer layers or take a smaller model"
        ) from None
    return LanguageModel(name, net, tokenizer, found.note)


def _convert(net: Any, dtype: torch.dtype, trained: int | None) -> None:
    """Weights alone, one after another: the frequencies of rotary embeddings, a buffer, must stay exact."""
    for name, weight in net.named_parameters():
        master = trained is not None and layer_of(name) >= trained and not name.startswith("lm_head.")
        weight.data = weight.data.to(torch.float32 if master else dtype)


def layer_of(name: str) -> int:
    """Number of a parameter's layer; the embedding is in the first, last norm and head above all."""
    parts = name.split(".")
    return int(parts[2]) if parts[1] == "layers" else (0 if parts[1] == "embed_tokens" else 10**6)


def _read(name: str, found: Source, cache: Path | None) -> tuple[Any, Any]:
    if found.gguf is None and found.hub is None:
        return tiny.network(), tiny.tokenizer()
    place = str(converted(found.gguf, cache)) if found.gguf else str(found.hub)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            place, dtype="auto", use_safetensors=True, output_loading_info=True
        )
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise StageError(f"language model {name}: {_why(error, place)}") from None
    net, loading = loaded
    lacking = sorted(map(str, loading["missing_keys"]))
    if lacking:  # transformers would draw them at random
        raise StageError(
            f"language model {name}: {place} lacks {len(lacking)} weights, first {lacking[0]}: "
            "fetch or copy it again"
        )
    return net, tokenizer


def _why(error: BaseException, place: str) -> str:
    """One line: gated, absent, or whatever transformers says first."""
    seen: BaseException | None = error
    kinds = set()
    while seen is not None:
        kinds.add(type(seen).__name__)
        seen = seen.__cause__ or seen.__context__
    if "GatedRepoError" in kinds:
        return f"{place} is gated: accept its licence on the hub, then log in with: hf auth login"
    if "RepositoryNotFoundError" in kinds:
        return f"the hub has no {place}, or it is private: mend the name, or log in with: hf auth login"
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return f"cannot be read from {place} ({said[:160]}); check the network, or put its folder there"


def check(name: str, net: nn.Module) -> None:
    """Refuse (StageError) a network not built as Llama: the kernels address its layers by name."""
    parts = dict(net.named_modules())
    wanted = ("self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
    needed = ("model.embed_tokens", "model.norm", "model.rotary_emb", "lm_head")
    lacking = [part for part in needed if part not in parts]
    lacking += [f"model.layers.0.{part}" for part in wanted if f"model.layers.0.{part}" not in parts]
    if lacking:
        raise StageError(
            f"language model {name}: not of the Llama family (it has no {lacking[0]}); take another"
        )
