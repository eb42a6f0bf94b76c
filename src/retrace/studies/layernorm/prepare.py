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
    """`count` of the rows `among` in random order: as many of each class as can be, small classes whole."""
    rng = generator(seed, "layernorm", part)
    own = [rng.permutation(among[found.y[among] == label]) for label in range(len(found.names))]
    for name, rows in zip(found.names, own, strict=True):
        if len(rows) < 2:
            raise StageError(f"{part}: class {name} has {len(rows)} rows; leave it out, or add rows")
    if count > sum(map(len, own)):
        raise StageError(
            f"{part}: {count} rows are wanted, {sum(map(len, own))} are there: lower rows.{part}"
        )
    chosen = [
        rows[:wanted] for rows, wanted in zip(own, _even([len(rows) for rows in own], count), strict=True)
    ]
    return rng.permutation(np.concatenate(chosen)).astype(np.int64)


def _even(sizes: list[int], count: int) -> list[int]:
    """Rows of each class, smallest first: each takes an equal part of what is left to take, or all it has."""
    wanted, left = [0] * len(sizes), count
    order = sorted(range(len(sizes)), key=lambda label: sizes[label])
    for done, label in enumerate(order):
        wanted[label] = min(sizes[label], left // (len(sizes) - done))
        left -= wanted[label]
    return wanted
