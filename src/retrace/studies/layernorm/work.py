"""What the stages of the layernorm study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from retrace.llm.checkpoints import CHECKPOINTS
from retrace.work import ELEMENTS, FLOP, OPERATIONS, STAGE, VALUES, Work, times, total

P = Mapping[str, Any]
TOKENS = {"keywords": 10, "brown": 34, "reviews": 28, "emotions": 24, "tweettopic": 48, "news": 48}
PATCHES = 197  # of a picture
CALLS = 40  # of PyTorch, a layer and pass
WRITTEN = 30  # numbers written a token, layer and channel, there
TOGETHER = 1024  # tokens in one call, where nothing is trained


class Size(NamedTuple):
    """Weights of a layer, of the embedding, and channels."""

    layer: float
    embedding: float
    width: int


SIZES = {
    "tiny-post": Size(8.5e3, 2e4, 32),
    "tiny-pre": Size(9.3e3, 8e3, 32),
    "minilm": Size(1.77e6, 11.9e6, 384),
    "smollm2-135m-instruct": Size(3.54e6, 28.3e6, 576),
    "gpt-neo": Size(7.1e6, 40.2e6, 768),
    "qwen2": Size(14.9e6, 136e6, 896),
    "gpt2-medium": Size(12.6e6, 52.5e6, 1024),
    "roberta-prelayernorm": Size(12.6e6, 52.0e6, 1024),
    "roberta": Size(7.1e6, 39.0e6, 768),
    "vit-s-msn": Size(1.8e6, 0.4e6, 384),
}
BASE = Size(7.1e6, 24.0e6, 768)  # all others are of BERT's base size


def work(verb: str, params: P, device: str) -> Work:
    """The work of a stage; ValueError for a verb that it does not know."""
    rows = params["rows"]
    if verb == "prepare":
        return Work({VALUES: 1e6, STAGE: 1}, memory=1e8, evidence=8.0 * sum(rows.values()) + 4e3)
    size, about = SIZES.get(params["checkpoint"], BASE), CHECKPOINTS[params["checkpoint"]]
    layers = params["layers"] or about.layers
    each = PATCHES if about.images else min(TOKENS[params["texts"]], params["longest"])
    weights = layers * size.layer + size.embedding
    held = (
        5e8
        + 4 * weights * 6
        + 40.0 * layers * size.width * each * params.get("tuning", {"batch": 64})["batch"]
    )

    def passes(tokens: float, together: float) -> dict[str, float]:
        return {
            FLOP: 2 * tokens * layers * size.layer,
            OPERATIONS: tokens / together * CALLS * layers,
            ELEMENTS: tokens * layers * size.width * WRITTEN,
        }

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
