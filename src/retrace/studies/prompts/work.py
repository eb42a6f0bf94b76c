"""What the stages of the prompts study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.llm.sizes import MODELS, Model
from retrace.work import ELEMENTS, FLOP, OPERATIONS, STAGE, VALUES, Work, times, total

P = Mapping[str, Any]
ITEM, SHARED, EXAMPLE = 18, 60, 16  # tokens of a test item, of a voter's framing, of one of its examples
SOFT = 12  # vectors of a soft prompt
INSTRUCTIONS = 3  # the initial one and the public ones
WHOLE, FEW, ABROAD = 2, 5, 3  # prompts that answer all items, few items, and few in the other template
TRAVEL, ATTACKED = 4, 8  # prompts that other readers read, and that members answer
TUNE = 3  # passes forward and back of a row, of the layers that train
POLLS = 5  # of a prompt whose voters read records sampled afresh
TOGETHER = 1024  # tokens in one call
CALLS = 30  # of PyTorch, a layer and pass
BROUGHT = 2.0  # passes over all weights that loading amounts to


def work(verb: str, params: P, device: str) -> Work:
    """The work of a stage; ValueError for a verb or model that it does not know."""
    if verb == "attack":
        draws = sum(audit["steps"] for audit in params["audits"].values()) * params["trials"] * 4
        return Work({VALUES: 12.0 * draws + 1e8, STAGE: 1}, memory=4e8)
    if verb not in ("prepare", "train", "defend", "measure"):
        raise ValueError(f"prompts has no stage {verb}")
    for name in (params["model"], *params.get("readers", ())):
        if name not in MODELS:
            raise ValueError(f"language model {name!r} is not counted: add it to llm/sizes.py")
    model, counts = MODELS[params["model"]], params["counts"]
    everything = model.layers_parameters + model.output_parameters
    size = 2 if params["precision"] == "bfloat16" else 4  # bytes of a weight
    loaded, memory = {ELEMENTS: BROUGHT * everything, STAGE: 1}, size * everything + 8e8

    def done(tokens: float, scratch: float = 0.0) -> Work:
        return Work(total(loaded, _passes(model, tokens)), memory=memory, scratch=scratch, evidence=2e4)

    if verb == "prepare":
        items = INSTRUCTIONS * counts["validation"] + counts["test"] + counts["pool"] + counts["few"]
        tuned = params["tuned"] or {"records": 0, "layers": 0, "training": {"epochs": 0}}
        rows, share = tuned["records"] * (ITEM + SOFT), tuned["layers"] / model.layers
        again = TUNE * share * tuned["training"]["epochs"]
        return done(items * ITEM + rows * (1 + again), scratch=4 * share * model.layers_parameters + 1)
    if verb == "train":
        starts, longest = len(params["starts"]), params["longest"]
        voted = starts * (counts["private"] * EXAMPLE + SHARED + params["groups"] * longest)
        fixed = 3 * starts * params["voters"] * (2 * EXAMPLE + longest)
        chosen = (len(params["epsilons"]) + 1) * starts * counts["validation"] * ITEM
        dln, fresh = params["dln"], params["fresh"]
        told = SHARED + dln["records"] * EXAMPLE + longest + counts["validation"] * ITEM
        improved = dln["steps"] * (dln["prompts"] * told + dln["records"] * ITEM)
        afresh = params["voters"] * SHARED / 2 + (fresh or 0) * counts["private"] * EXAMPLE
        sampled = POLLS * starts * afresh if fresh else 0
        return done(voted + fixed + chosen + improved + sampled, scratch=1e3)
    if verb == "defend":
        soft = params["soft"]
        if soft is None:
            return Work({STAGE: 1})
        runs = len(params["epsilons"]) + 1
        learned = 3 * soft["steps"] * soft["share"] * counts["private"] * (ITEM + SOFT)
        return Work(
            total(loaded, times(runs, _passes(model, learned + counts["test"] * (ITEM + SOFT)))), memory
        )
    tested = WHOLE * counts["test"] + (FEW + ABROAD) * counts["few"] + ATTACKED * params["members"]
    read = TRAVEL * counts["few"] * ITEM
    others = [MODELS[name] for name in params["readers"]]
    return Work(
        total(loaded, _passes(model, tested * ITEM + read), *(_passes(other, read) for other in others)),
        memory=max([memory, *(size * (o.layers_parameters + o.output_parameters) + 8e8 for o in others)]),
        evidence=2e4,
    )


def _passes(model: Model, tokens: float) -> dict[str, float]:
    """Forward passes of so many tokens."""
    return {
        FLOP: 2 * tokens * (model.layers_parameters + model.output_parameters),
        OPERATIONS: tokens / TOGETHER * CALLS * model.layers,
        ELEMENTS: tokens * model.layers * model.width * 20,
    }
