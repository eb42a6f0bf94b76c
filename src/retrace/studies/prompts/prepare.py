"""Answers that need no private choice: to the initial instruction and to the public ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.stage import Array, Inputs, Output
from retrace.studies.prompts.setup import INITIAL, PUBLIC, answers, labels_of, model_of, pools, texts_of

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Prepare


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """Log-probabilities of the labels, float32, by instruction: 0 is the initial one, then the public ones.

    Arrays: `pool/0` (N,labels) of all records from which seeds draw, `validation/<n>`, `test/<n>`, `chat/0`
    (the first test items in the other template), and classes `y/<part>`. Results: counts by class. No text.
    """
    found, model = pools(params, inputs), model_of(params)
    arrays: dict[str, Array] = {}
    for part in ("pool", "validation", "test"):
        records = getattr(found, part)
        arrays[f"y/{part}"] = labels_of(records)
        for n, instruction in enumerate((INITIAL[params.task], *PUBLIC[params.task])):
            if part != "pool" or n == 0:
                arrays[f"{part}/{n}"] = answers(model, params, instruction, texts_of(records)).astype(
                    np.float32
                )
    few = texts_of(found.test[: params.counts.few])
    arrays["chat/0"] = answers(model, params, INITIAL[params.task], few, "chat").astype(np.float32)
    return Output(
        {
            "model": {"name": model.name, "note": model.note},
            "counts": {
                part: np.bincount(arrays[f"y/{part}"]).tolist() for part in ("pool", "validation", "test")
            },
        },
        arrays=arrays,
    )
