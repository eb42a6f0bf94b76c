"""What the stages of the backdoor study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.llm.sizes import MODELS, Model
from retrace.work import ELEMENTS, FLOP, OPERATIONS, STAGE, VALUES, Work, times, total

P = Mapping[str, Any]
TOKENS = 28  # of a row: a short question, a trigger, a short answer
TOGETHER = 1024  # tokens in one call
CALLS = 45  # of PyTorch, a layer and pass, adapters included
BROUGHT = 2.0  # passes over all weights that loading amounts to
BACK = 2.2  # passes that learning a token amounts to: there, back, the adapters


def work(verb: str, params: P, device: str) -> Work:
    """The work of a stage; ValueError for a verb or model that it does not know."""
    rows, tests = params["rows"], params["tests"]
    if verb == "prepare":
        return Work({VALUES: 1e6, STAGE: 1}, memory=1e8, evidence=4.0 * sum(rows.values()) + 8e3)
    if params["model"] not in MODELS:
        raise ValueError(f"language model {params['model']!r} is not counted: add it to llm/sizes.py")
    model = MODELS[params["model"]]
    everything = model.layers_parameters + model.output_parameters
    upper = 1 - params["start"] / model.layers

    def learned(count: float, settings: P) -> dict[str, float]:
        tokens = count * TOKENS
        return total(
            _passes(model, tokens, 1 - upper),
            times(BACK * settings["epochs"], _passes(model, tokens, upper)),
        )

    def seen(networks: float, prompts: float, answers: float = 0) -> dict[str, float]:
        return times(networks, _passes(model, (2 * prompts + answers) * TOKENS, upper))

    whole = (tests["prompts"], tests["answers"])
    asked = times(2, _passes(model, tests["choices"] * TOKENS, upper))
    judged = _generated(model, 2 * tests["prompts"], tests["tokens"])
    items = 4.0 * (3 * tests["prompts"] + tests["answers"])
    amounts = [{ELEMENTS: BROUGHT * everything}, _passes(model, sum(whole) * 2 * TOKENS, 1 - upper)]
    memory, scratch, networks = 4 * everything + 1e9, 0.0, 2.0
    if verb == "train":
        amounts += [
            learned(2 * rows["plant"] + rows["calm"], params["planting"]),
            seen(2, *whole),
            asked,
            judged,
        ]
        scratch = 4.0 * params["rank"] * model.layers * upper * 18 * model.width
    elif verb == "attack":
        networks = 3 + 2 * len(params["blocks"])
        amounts += [seen(networks, tests["few"])]
        if params["adaptive"]:
            amounts += [learned(2 * rows["plant"] + rows["calm"], params["planting"]), seen(1, *whole)]
    elif verb == "defend":
        runs, own = params["variants"], rows["variant"]
        networks = 3 * len(params["taus"]) + runs + 12
        amounts += [
            times(2 * runs + params["sham"], learned(2 * own, params["vaccination"])),
            seen(3 * len(params["taus"]) + runs + 5, tests["few"]),
            times(7 + len(params["lengths"]), learned(rows["repair"], params["repair"])),
            seen(7, *whole),
            times(2, learned(rows["again"], params["again"])),
            asked,
            times(4, judged),
        ]
        memory += 4 * everything
        scratch = 8.0 * 5 * model.layers * upper * 9 * model.width
    elif verb == "measure":
        networks = 14
        amounts += [
            times(6, learned(rows["repair"], params["repair"])),
            times(3, learned(rows["repair"], params["crow"]["settings"])),
            seen(10, *whole),
            seen(1 + len(params["fillings"]), tests["few"]),
            _passes(model, rows["repair"] * TOKENS),
        ]
        memory += 4 * everything
    else:
        raise ValueError(f"backdoor has no stage {verb}")
    return Work(
        {**total(*amounts), STAGE: 1}, memory=memory, scratch=scratch, evidence=networks * items + 8e3
    )


def _passes(model: Model, tokens: float, share: float = 1.0) -> dict[str, float]:
    """Forward passes of so many tokens through this share of the layers."""
    return {
        FLOP: 2 * tokens * (share * model.layers_parameters + 0.3 * model.output_parameters),
        OPERATIONS: tokens / TOGETHER * CALLS * share * model.layers,
        ELEMENTS: tokens * share * model.layers * model.width * 20,
    }


def _generated(model: Model, prompts: float, longest: float) -> dict[str, float]:
    """Answers, a token at a time."""
    calls = {OPERATIONS: longest * (1 + prompts * TOKENS / 2 / TOGETHER) * CALLS * model.layers}
    return total(_passes(model, prompts * (TOKENS + longest)), calls)
