"""What a rehearsal cuts of the safety study: every order and freeze, few texts, two steps of fine-tuning."""

from __future__ import annotations

from retrace.cuts import Cuts, Params, at_most
from retrace.llm.shapes import SHAPES

ROOM = 4e9  # bytes: rows of states, logits, the evaluation's caches


def device_memory(params: Params) -> float | None:
    """Bytes of the device's memory that fine-tuning takes; None for a model whose shape is not known here.

    All weights in the cell's precision, those that train in float32 as well, and of these a gradient, two
    moments and the copies that compute and that the evaluation reads.
    """
    shape = SHAPES.get(params["model"])
    if shape is None:
        return None
    width = 2 if params["precision"] == "bfloat16" else 4
    trained: int = (shape.layers - params["start"]) * shape.layer_weights
    return width * shape.weights + trained * ((4 - width) + 8 + 2 * width) + ROOM


CUTS = Cuts(
    always={
        "rows.harmful": at_most(16),
        "rows.benign": at_most(24),
        "rows.lookalike": at_most(8),
        "rows.calibration": at_most(8),
        "rows.attack": at_most(30),
        "tests.harmful": at_most(6),
        "tests.benign": at_most(6),
        "tests.lookalike": at_most(4),
        "tests.answered": at_most(5),
        "tests.scored": at_most(6),
        "tests.few": at_most(4),
        "tests.choices": at_most(6),
        "tests.neutral": at_most(4),
        "alignment.epochs": at_most(1),
        "tuning.epochs": at_most(1),
        "probe.prompts": at_most(4),
    },
    model="model",
    memory=device_memory,
)
