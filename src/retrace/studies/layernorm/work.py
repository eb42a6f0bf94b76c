"""What the stages of the layernorm study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.llm.checkpoint_sizes import TOGETHER, cut, tokens_of
from retrace.work import ELEMENTS, STAGE, VALUES, Work, times, total

P = Mapping[str, Any]


def work(verb: str, params: P, device: str) -> Work:
    """The work of a stage; ValueError for a verb that it does not know."""
    rows = params["rows"]
    if verb == "prepare":
        return Work({VALUES: 1e6, STAGE: 1}, memory=1e8, evidence=8.0 * sum(rows.values()) + 4e3)
    net = cut(params["checkpoint"], params["layers"])
    layers, size, passes = net.layers, net.size, net.passes
    each = tokens_of(params["checkpoint"], params["texts"], params["longest"])
    weights = net.weights
    held = (
        5e8
        + 4 * weights * 6
        + 40.0 * layers * size.width * each * params.get("tuning", {"batch": 64})["batch"]
    )

    if verb == "train":
        tuning, count = params["tuning"], len(params["runs"])
        learned = passes(rows["train"] * each, tuning["batch"] * each)
        seen = passes(sum(rows.values()) * each, TOGETHER)
        moved = {ELEMENTS: 6 * rows["train"] / tuning["batch"] * layers * size.layer}
        watched = times(3, passes((params["watched"] + 0.1 * rows["train"]) * each, TOGETHER))
        epochs = total(times(count, total(times(3, learned), moved, seen)), watched)
        amounts = total({ELEMENTS: 2 * count * weights}, times(tuning["epochs"], epochs))
        evidence = 8.0 * (tuning["epochs"] + 1) * (7 * count + 6 * layers)
        fitted = "every given label is fitted"
        return Work(
            {**amounts, STAGE: 1}, held, scratch=4 * layers * size.layer, evidence=evidence, until=fitted
        )
    if verb == "measure":
        products = params["bounded"] * each * params["iterations"] * 4
        amounts = total({ELEMENTS: 3 * weights}, passes(products, params["bounded"] * each))
        return Work({**amounts, STAGE: 1}, held, evidence=32.0 * layers * params["bounded"] + 4e3)
    raise ValueError(f"layernorm has no stage {verb}")
