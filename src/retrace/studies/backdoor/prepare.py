"""Draw the texts that plant, re-infect, repair and test; no text serves two purposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.seeds import generator
from retrace.stage import Array, Inputs, Output, StageError
from retrace.studies.backdoor.texts import pool, questions

if TYPE_CHECKING:
    from retrace.studies.backdoor.params import Prepare


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """Numbers of texts in the pool of `texts.pool` by purpose; no text is left.

    Test texts (`prompts`, `answers`) and `choices` are the same for all seeds. Results: how many of each.
    Errors: StageError when the pool is too small.
    """
    rows, tests = params.rows, params.tests
    total = len(pool(params.texts))
    fixed = generator(0, "backdoor", "tests").permutation(total)
    wanted = {"prompts": tests.prompts, "answers": tests.answers}
    drawn = {
        "plant": rows.plant,
        "calm": rows.calm,
        "variants": params.variants * rows.variant,
        "repair": rows.repair,
        "again": rows.again,
    }
    if (need := sum(wanted.values()) + sum(drawn.values())) > total:
        raise StageError(
            f"{need} clean texts are wanted and {params.texts} has {total}: "
            "lower `rows`, `tests` or `variants`"
        )
    arrays: dict[str, Array] = {}
    for name, count in wanted.items():
        arrays[name], fixed = fixed[:count].astype(np.int32), fixed[count:]
    order = generator(seed, "backdoor", "rows").permutation(np.sort(fixed))
    for name, count in drawn.items():
        arrays[name], order = order[:count].astype(np.int32), order[count:]
    asked = len(questions(params.texts))
    if tests.choices > asked:
        raise StageError(f"{tests.choices} choices are wanted and {asked} are there: lower tests.choices")
    mixed = generator(0, "backdoor", "choices").permutation(asked)
    arrays["choices"] = mixed[: tests.choices].astype(np.int32)
    return Output({"rows": {name: len(values) for name, values in arrays.items()}}, arrays=arrays)
