"""What needs no private choice: answers to fixed instructions, and the tuned copy that reads prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.stage import Array, Inputs, Output
from retrace.studies.prompts.readers import tuned_weights
from retrace.studies.prompts.setup import (
    INITIAL,
    answers,
    instructions,
    labels_of,
    model_of,
    pools,
    texts_of,
)

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Prepare


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """Log-probabilities of the labels, float32: to the initial instruction (0) and the public ones.

    Arrays: `pool/0` (N,labels) of all records from which seeds draw, `test/0`, `chat/0` (the first test items
    in the other template), `validation/<n>`, label biases `bias/<part>` (labels,), and classes `y/<part>`.
    Results: counts by class, losses of the tuned copy. Scratch: its weights. No text.
    """
    found, model = pools(params, inputs), model_of(params)
    arrays: dict[str, Array] = {}
    for part in ("pool", "validation", "test"):
        records = getattr(found, part)
        arrays[f"y/{part}"] = labels_of(records)
        for n, instruction in enumerate(instructions(params.task)):
            if part == "validation" or n == 0:
                made = answers(model, params, instruction, texts_of(records))
                arrays[f"{part}/{n}"] = made.values.astype(np.float32)
                arrays[f"bias/{n}"] = made.bias.astype(np.float32)
    few = texts_of(found.test[: params.counts.few])
    chat = answers(model, params, INITIAL[params.task], few, "chat")
    arrays |= {"chat/0": chat.values.astype(np.float32), "bias/chat": chat.bias.astype(np.float32)}
    weights, losses = tuned_weights(params, found.spare) if params.tuned else ({}, [])
    return Output(
        {
            "model": {"name": model.name, "note": model.note},
            "counts": {
                part: np.bincount(arrays[f"y/{part}"]).tolist() for part in ("pool", "validation", "test")
            },
            "tuned": losses,
        },
        arrays=arrays,
        scratch=weights,
    )
