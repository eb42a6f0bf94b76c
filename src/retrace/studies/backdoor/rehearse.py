"""What a rehearsal cuts of the backdoor study: every attack and rival, few texts, few steps."""

from __future__ import annotations

from retrace.cuts import Cuts, Params, at_most, exactly, some
from retrace.llm.shapes import SHAPES

ROOM = 6e9  # bytes: rows of states, logits, caches, adapters and their moments


def device_memory(params: Params) -> float | None:
    """Bytes of the device's memory that the cell takes; None for a model whose shape is not known here.

    The weights twice: as released, and with the plant merged into them.
    """
    shape = SHAPES.get(params["model"])
    if shape is None:
        return None
    width = 2 if params["precision"] == "bfloat16" else 4
    return 2.0 * width * shape.weights + ROOM


CUTS = Cuts(
    always={
        "pieces": exactly(64),  # a drawn tokenizer has a token a byte
        "vaccination.batch": at_most(4),
        "rows.plant": at_most(8),
        "rows.calm": at_most(2),
        "rows.variant": at_most(4),
        "rows.repair": at_most(4),
        "rows.again": at_most(4),
        "tests.prompts": at_most(4),
        "tests.few": at_most(4),
        "tests.answers": at_most(2),
        "tests.choices": at_most(3),
        "variants": at_most(2),
        "sham": at_most(1),
        "blocks": some(2),
        "taus": some(2),
        "lengths": some(1),
        "planting.epochs": at_most(1),
        "vaccination.epochs": at_most(1),
        "repair.epochs": at_most(1),
        "again.epochs": at_most(1),
        "crow.settings.epochs": at_most(1),
    },
    model="model",
    memory=device_memory,
)
