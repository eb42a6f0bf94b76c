"""What the stages of the forgetting study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.llm.checkpoint_sizes import TOGETHER, cut, tokens_of
from retrace.work import ELEMENTS, STAGE, Work, times, total

P = Mapping[str, Any]
RUNS = 3


def work(verb: str, params: P, device: str) -> Work:
    """The work of a stage; ValueError for a verb that it does not know."""
    net = cut(params["checkpoint"], params["layers"])
    each = tokens_of(params["checkpoint"], params["texts"], params["longest"])
    count = params["rows"]["train"]
    rows, inner = count + params["rows"]["test"], net.layers * net.size.layer
    seen = net.passes(rows * each, TOGETHER)
    if verb == "train":
        tuning = params["tuning"]
        learned = times(3, net.passes(count * each, tuning["batch"] * each))
        epochs = times(
            RUNS * tuning["epochs"], total(learned, {ELEMENTS: 6 * count / tuning["batch"] * inner})
        )
        amounts = total({ELEMENTS: 4.0 * net.weights}, epochs, times(RUNS + 1, seen))
        held = 5e8 + 24 * net.weights + 40.0 * net.layers * net.size.width * each * tuning["batch"]
        return Work({**amounts, STAGE: 1}, held, scratch=4 * inner, evidence=100.0 * rows)
    if verb == "measure":
        copies = len(params["levels"]) + len(params["pruned"]) + len(params["noise"])
        amounts = total({ELEMENTS: 2.0 * net.weights}, times(copies, total(seen, {ELEMENTS: 8.0 * inner})))
        return Work({**amounts, STAGE: 1}, 5e8 + 16 * net.weights, evidence=24.0 * copies * rows)
    raise ValueError(f"forgetting has no stage {verb}")
