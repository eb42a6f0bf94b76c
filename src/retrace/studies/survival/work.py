"""What the stages of the survival study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.llm.sizes import MODELS, Model
from retrace.work import ELEMENTS, FLOP, OPERATIONS, STAGE, Work, times, total

P = Mapping[str, Any]
TOKENS = 28  # of a row: a short request and a short answer
SENTENCE = 28
TOGETHER = 512  # tokens in one call
CALLS = 40  # of PyTorch, a layer and pass
BROUGHT = 2.0  # passes over all weights that loading amounts to
BACK = 2.2  # passes that learning a token amounts to: there, back, the adapters
WALKED = ("gptq", "sparsegpt")
TOUCHED = 600  # operations for which a weight could be read and rounded once


def work(verb: str, params: P, device: str) -> Work:
    """The work of a stage; ValueError for a verb or model that it does not know."""
    if params["model"] not in MODELS:
        raise ValueError(f"language model {params['model']!r} is not counted: add it to llm/sizes.py")
    model = MODELS[params["model"]]
    everything = model.layers_parameters + model.output_parameters
    size = 2 if params["precision"] == "bfloat16" else 4  # bytes of a weight
    upper = 1 - params["start"] / model.layers
    brought = {ELEMENTS: BROUGHT * everything, STAGE: 1}
    if verb == "train":
        tokens = 4 * params["rows"] * TOKENS
        learned = times(BACK * params["training"]["epochs"], _passes(model, tokens, upper))
        return Work(
            total(brought, _passes(model, tokens, 1 - upper), learned),
            memory=size * everything + 1.5e9,
            scratch=4.0 * params["rank"] * model.layers * upper * 18 * model.width,
        )
    if verb == "measure":
        configs, about, asked = params["configs"], params["calibration"], params["asked"]
        held = min(params["together"] or len(configs), len(configs))
        passes = 2 * len(configs) if about["sequential"] else -(-len(configs) // held)
        rows = about["rows"] * about["tokens"]
        items = 2 * (asked["questions"] + asked["requests"])
        seen = _passes(model, items * TOKENS + params["sentences"] * SENTENCE)
        return Work(
            total(
                brought,
                times(len(configs) + 2, seen),
                times(passes, _passes(model, 1.5 * rows)),  # the pass, and X'X
                *(_compressing(model, config) for config in configs.values()),
            ),
            memory=size * (everything + held * model.layers_parameters) + 4 * rows * model.width + 1e9,
            evidence=(len(configs) + 2) * (8.0 * items + 4 * params["sentences"] + 28 * model.layers),
        )
    raise ValueError(f"survival has no stage {verb}")


def _compressing(model: Model, config: P) -> dict[str, float]:
    """Products of matrices of a walk, or little more than reading the weights."""
    weights = model.layers_parameters
    if config["method"] in WALKED:
        return {FLOP: 2 * weights * model.width, OPERATIONS: 10.0 * model.layers * model.width * 6}
    return {FLOP: (6 if config["method"] == "awq" else 1) * TOUCHED * weights}


def _passes(model: Model, tokens: float, share: float = 1.0) -> dict[str, float]:
    """Forward passes of so many tokens through this share of the layers."""
    return {
        FLOP: 2 * tokens * (share * model.layers_parameters + 0.2 * model.output_parameters),
        OPERATIONS: tokens / TOGETHER * CALLS * share * model.layers,
        ELEMENTS: tokens * share * model.layers * model.width * 20,
    }
