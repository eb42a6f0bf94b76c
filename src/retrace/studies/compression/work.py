"""What the stages of the compression study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.llm.sizes import MODELS, Model
from retrace.work import ELEMENTS, FLOP, OPERATIONS, STAGE, Work, times, total

P = Mapping[str, Any]
LLAMA_13B = Model(12.7e9, 0.16e9, 40, 5120)
MORE = {  # that no other study names
    "meta-llama/Llama-2-13b-hf": LLAMA_13B,
    "meta-llama/Llama-2-7b-hf": MODELS["llama-2-7b-chat"],
    "lmsys/vicuna-13b-v1.3": LLAMA_13B,
}
PROBE = 30  # tokens of a probe with its continuations, by likelihood
WORDS = 60  # of a question in words
ROW = 45  # of an alignment row
SENTENCE = 28
PROBES = {"ethics": 2, "fairness": 2, "knowledge": 2, "privacy": 2}  # of an item, where there are two
TOGETHER = 1024  # tokens in one call
CALLS = 30  # of PyTorch, a layer and pass
BROUGHT = 2.0  # passes over all weights that loading amounts to
WALKED = ("gptq", "sparsegpt")
TOUCHED = 600  # operations for which a weight could be read and rounded once


def work(verb: str, params: P, device: str) -> Work:
    """The work of a stage; ValueError for a verb or model that it does not know."""
    if verb not in ("prepare", "measure"):
        raise ValueError(f"compression has no stage {verb}")
    model = _model(params["model"])
    everything = model.layers_parameters + model.output_parameters
    size = 2 if params["precision"] == "bfloat16" else 4  # bytes of a weight
    configs = params["fixed"] if verb == "prepare" else params["configs"]
    tokens = _asked(params, params["items"]) * (len(configs) + (verb == "prepare"))
    if verb == "prepare":
        tokens += _asked(params, params["gate"])
    parts: list[Mapping[str, float]] = [{ELEMENTS: BROUGHT * everything, STAGE: 1}, _passes(model, tokens)]
    about = params["calibration"]
    held = min(params["together"] or len(configs), len(configs))
    passes = (2 * len(configs) if about["sequential"] else -(-len(configs) // held)) if configs else 0
    rows = about["rows"] * about["tokens"]
    parts += [times(passes, _passes(model, 1.5 * rows))]  # the pass, and X'X
    parts += [_compressing(model, config) for config in configs.values()]
    scratch, memory = 0.0, size * everything * 2 + 4 * rows * model.width + 1e9
    if verb == "prepare":
        scratch = 4.0  # bytes of what stands for no weights
        if about := params["alignment"]:
            share = 1 - about["start"] / model.layers
            learned = (about["harmful"] + about["benign"] + about["lookalike"]) * ROW
            parts += [_passes(model, learned * (1 + 3 * share * about["training"]["epochs"]))]
            scratch = 4 * share * model.layers_parameters
        if params["smaller"]:
            other = _model(params["smaller"])
            parts += [_passes(other, _asked(params, params["items"]))]
    return Work(
        total(*parts),
        memory=memory + size * model.layers_parameters * held,
        scratch=scratch,
        evidence=3e5,
    )


def _model(name: str) -> Model:
    known = MODELS | MORE
    if name not in known:
        raise ValueError(f"language model {name!r} is not counted: add it to llm/sizes.py")
    return known[name]


def _asked(params: P, items: Mapping[str, int]) -> float:
    probes = sum(count * PROBES.get(name, 1) for name, count in items.items())
    words = params["scoring"] == "generation"
    return float(probes * (WORDS + params["new"] if words else PROBE) + params["sentences"] * SENTENCE)


def _compressing(model: Model, config: P) -> dict[str, float]:
    """Products of matrices of a walk, or of a search, or little more than reading the weights."""
    weights = model.layers_parameters
    if config["method"] in WALKED:
        return {FLOP: 2 * weights * model.width, OPERATIONS: 10.0 * model.layers * model.width * 6}
    if config["method"] == "awq":
        return {FLOP: 6 * TOUCHED * weights}
    return {FLOP: TOUCHED * weights}


def _passes(model: Model, tokens: float) -> dict[str, float]:
    """Forward passes of so many tokens."""
    return {
        FLOP: 2 * tokens * (model.layers_parameters + model.output_parameters),
        OPERATIONS: tokens / TOGETHER * CALLS * model.layers,
        ELEMENTS: tokens * model.layers * model.width * 20,
    }
