"""The sample that a compressor looks at: at random, or as much of every group as there is."""

from __future__ import annotations

from typing import Literal

import numpy as np

from retrace.stage import Array, StageError

Choice = Literal["random", "balanced"]


def calibration_rows(groups: Array, count: int, choice: Choice, rng: np.random.Generator) -> Array:
    """`count` rows (at most) of groups (N,), without repetition, sorted.

    `balanced` takes as many of each group, all of a group that is smaller, and fills up from the others.
    StageError when no rows are asked for or there are none.
    """
    if count < 1 or not len(groups):
        raise StageError(f"calibration: {count} of {len(groups)} images; ask for at least 1 of at least 1")
    order = rng.permutation(len(groups))
    if choice == "random":
        return np.sort(order[:count])
    turn = np.empty(len(groups), dtype=np.int64)  # the how-manieth of its group each row is
    for group in np.unique(groups):
        own = groups[order] == group
        turn[order[own]] = np.arange(int(own.sum()))
    return np.sort(order[np.argsort(turn[order], kind="stable")][:count])
