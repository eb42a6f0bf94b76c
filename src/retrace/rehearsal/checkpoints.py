"""Narrow networks that stand for published checkpoints: their class, their layers, random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import AutoConfig, AutoModel

from retrace.data.texts.keywords import TOPICS
from retrace.llm import tiny
from retrace.llm.checkpoints import CHECKPOINTS
from retrace.rehearsal.stand_ins import STAND_INS

NARROW = {"hidden_size": 32, "num_attention_heads": 4}
# as its class names it, where it does not follow from the width
NEURONS = {"distilbert": "hidden_dim", "gpt2": "n_inner", "gpt_neo": "intermediate_size"}


def write_checkpoint(folder: Path, name: str) -> None:
    """Write the network that stands for checkpoint `name`, and a tokenizer of bytes where it reads texts.

    The names of the topics are tokens of their own, so that the next-token form can tell them apart.
    """
    about, (kind, more) = CHECKPOINTS[name], STAND_INS[name]
    sizes: dict[str, Any] = {**NARROW, NEURONS.get(kind, "intermediate_size"): 64, **more}
    if not about.images:
        words = tiny.tokenizer()
        words.add_tokens([AddedToken(topic, lstrip=True) for topic in TOPICS])
        words.save_pretrained(folder)
        sizes |= {"vocab_size": len(words), "pad_token_id": words.pad_token_id}
        sizes |= {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    config: Any = AutoConfig.for_model(kind, num_hidden_layers=about.layers, **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build: Any = AutoModel
        net = build.from_config(config)
    net.save_pretrained(folder)


def standing_in(name: str, folder: Path, work: Callable[[], object]) -> object:
    """What `work` returns where the folder stands for the checkpoint. For a fork: it is not undone."""
    CHECKPOINTS[name] = replace(CHECKPOINTS[name], hub=str(folder), timm="")
    return work()
