"""What the stages of the safety study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.llm.sizes import MODELS, Model
from retrace.work import ELEMENTS, FLOP, OPERATIONS, STAGE, VALUES, Work, times, total

P = Mapping[str, Any]
TOKENS = {"policy": 24, "public": 48}  # of a row or a prompt, about
OPENINGS = 12  # of answers whose likelihood a margin compares
CHOICES = 5  # of a question
TOGETHER = 1024  # tokens in one call
CALLS = 30  # of PyTorch, a layer and pass
SCORED = 3.0  # passes that scoring units on a row amounts to
BROUGHT = 2.0  # passes over all weights that loading amounts to


def work(verb: str, params: P, device: str) -> Work:
    """The work of a stage; ValueError for a verb or model that it does not know."""
    rows = params["rows"]
    if verb == "prepare":
        return Work({VALUES: 1e6, STAGE: 1}, memory=1e8, evidence=4.0 * sum(rows.values()) + 8e3)
    if params["model"] not in MODELS:
        raise ValueError(f"language model {params['model']!r} is not counted: add it to llm/sizes.py")
    model, each = MODELS[params["model"]], TOKENS[params["texts"]]
    everything = model.layers_parameters + model.output_parameters
    upper = 1 - params.get("start", 0) / model.layers
    loaded = {ELEMENTS: BROUGHT * everything}
    calibrated = SCORED * 2 * rows["calibration"] * each
    learned = {
        "alignment": (rows["harmful"] + rows["benign"] + rows["lookalike"]) * each,
        "tuning": rows["attack"] * each,
    }
    held = 4 * everything + 4 * 4 * upper * model.layers_parameters + 3e8
    scores, items = 4.0 * 3 * model.layers * model.width * 4, 4.0 * sum(params["tests"].values()) * 12

    def passes(tokens: float, share: float = 1.0) -> dict[str, float]:
        return _passes(model, tokens, share)

    def tuned(kind: str) -> dict[str, float]:
        """One fine-tuning of the upper layers: there and back, and the optimiser's steps."""
        settings, tokens = params[kind], learned[kind]
        steps = settings["epochs"] * tokens / each / settings["batch"]
        moved = {ELEMENTS: 6 * steps * upper * model.layers_parameters}
        return total(times(3 * settings["epochs"], passes(tokens, upper)), moved)

    if verb == "train":
        seen = total(passes(_asked(params, False, True)), _generated(model, params, False))
        amounts = total(
            loaded, tuned("alignment"), passes(learned["alignment"]), times(2, seen), passes(3 * calibrated)
        )
        left = 4 * upper * model.layers_parameters
        return Work({**amounts, STAGE: 1}, memory=held, scratch=left, evidence=2 * (6 * scores + items))
    brief = _generated(model, params, True)
    if verb == "measure":
        chosen = params["variants"]
        seen = times(len(chosen), total(passes(_asked(params, True, True)), brief))
        probed = passes(4 * params["probe"]["prompts"] * (each + sum(params["probe"]["tokens"])))
        amounts = total(loaded, seen, probed)
        return Work({**amounts, STAGE: 1}, memory=held, evidence=len(chosen) * items)
    if verb == "defend":
        seen = total(passes(_asked(params, True, True)), brief)
        amounts = total(loaded, passes(learned["alignment"]), times(2, total(tuned("alignment"), seen)))
        return Work(
            {**amounts, STAGE: 1}, memory=held + 4 * upper * model.layers_parameters, evidence=2 * items
        )
    if verb == "attack":
        seen = total(passes(_asked(params, True, False)), brief)
        runs = times(len(params["freezes"]), total(tuned("tuning"), seen))
        amounts = total(loaded, passes(learned["tuning"]), runs, passes(calibrated))
        held += 4 * upper * model.layers_parameters
        return Work({**amounts, STAGE: 1}, memory=held, evidence=4 * scores + len(params["freezes"]) * items)
    raise ValueError(f"safety has no stage {verb}")


def _passes(model: Model, tokens: float, share: float = 1.0) -> dict[str, float]:
    """Forward passes of so many tokens through this share of the layers."""
    return {
        FLOP: 2 * tokens * (share * model.layers_parameters + model.output_parameters),
        OPERATIONS: tokens / TOGETHER * CALLS * share * model.layers,
        ELEMENTS: tokens * share * model.layers * model.width * 20,
    }


def _asked(params: P, brief: bool, utility: bool) -> float:
    """Tokens of one evaluation whose likelihood is computed."""
    tests, each = params["tests"], TOKENS[params["texts"]]
    margins = tests["harmful"] * (each + OPENINGS * 6)
    questions = (tests["choices"] * (each + CHOICES * 6) + tests["neutral"] * each) if utility else 0
    return float(margins + tests["scored"] * each + questions)


def _generated(model: Model, params: P, brief: bool) -> dict[str, float]:
    """Answers, a token at a time: of harmful and of some benign prompts, of look-alikes unless in brief."""
    tests, each = params["tests"], TOKENS[params["texts"]]
    prompts = tests["harmful"] + (tests["few"] if brief else tests["answered"] + tests["lookalike"])
    longest = tests["tokens"]
    calls = {OPERATIONS: longest * (1 + prompts * each / 2 / TOGETHER) * CALLS * model.layers}
    return total(_passes(model, prompts * (each + longest)), calls)
