"""Draw the training and test rows of a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.data.texts.labelled_sets import Labelled
from retrace.seeds import generator
from retrace.stage import Inputs, Output, StageError
from retrace.studies.layernorm.rows import pool

if TYPE_CHECKING:
    from retrace.studies.layernorm.params import Prepare


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """Arrays `train` and `test`: row numbers of the set, as many of each class as can be, in random order.

    Errors: StageError when a class has too few rows.
    """
    found = pool(params, inputs)
    arrays = {
        part: draw(found, getattr(found, part), getattr(params.rows, part), seed, part)
        for part in ("train", "test")
    }
    return Output({"classes": list(found.names)}, arrays=arrays)


def draw(found: Labelled, among: np.ndarray, count: int, seed: int, part: str) -> np.ndarray:
    """`count` of the rows `among`, stratified; classes that come first have one more where it does not divide."""
    classes, rng = len(found.names), generator(seed, "layernorm", part)
    taken = []
    for label in range(classes):
        own = among[found.y[among] == label]
        wanted = count // classes + int(label < count % classes)
        if wanted > len(own):
            raise StageError(
                f"{part}: class {found.names[label]} has {len(own)} rows, {wanted} are wanted: lower rows.{part}"
            )
        taken.append(rng.permutation(own)[:wanted])
    return rng.permutation(np.concatenate(taken)).astype(np.int64)
