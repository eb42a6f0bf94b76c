"""What a rehearsal cuts of the survival study: every compressor, few rows, few items, one epoch."""

from __future__ import annotations

from retrace.cuts import Cuts, Params, at_most
from retrace.llm.shapes import SHAPES

ROOM = 8e9  # bytes: rows of states, adapters and their moments, a layer's matrices in float32


def device_memory(params: Params) -> float | None:
    """Bytes of the device's memory that the cell takes; None for a model whose shape is not known here.

    The weights, and those of `together` compressed networks beside them.
    """
    shape = SHAPES.get(params["model"])
    if shape is None:
        return None
    width = 2 if params["precision"] == "bfloat16" else 4
    held = min(params["together"] or len(params["configs"]), len(params["configs"]))
    return (1.0 + held) * width * shape.weights + ROOM


CUTS = Cuts(
    always={
        "rows": at_most(3),
        "training.epochs": at_most(1),
        "asked.questions": at_most(2),
        "asked.requests": at_most(2),
        "sentences": at_most(2),
        "calibration.rows": at_most(24),
        "calibration.tokens": at_most(64),
    },
    narrow={
        "configs.*.group": at_most(4),  # 64 wide, and as many neurons as in proportion
    },
    model="model",
    memory=device_memory,
)
