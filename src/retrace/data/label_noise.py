"""Wrong labels for a share of a whole training set, drawn from one class (as the LayerNorm paper has it)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrace.stage import StageError

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Noisy:
    """Labels (N,) of which those of `rows` are wrong; `fell_back`: the class alone was too small."""

    y: Labels
    rows: Labels
    fell_back: bool


def flip_class(y: Labels, share: float, label: int, classes: int, rng: np.random.Generator) -> Noisy:
    """Give round(share * N) rows (at least one where share > 0) a random other label.

    The rows are drawn from class `label`, or from all rows where it has fewer than that.
    Errors: StageError, one line, for a share outside 0..1, fewer than 2 classes, or a class without rows.
    """
    if not 0 <= share < 1 or classes < 2:
        raise StageError(f"label noise {share:g} of {classes} classes: give a share from 0 to 1, 2 classes")
    own = np.flatnonzero(y == label)
    if len(own) < 2:
        raise StageError(f"label noise: class {label} has {len(own)} training rows, too few; add rows")
    count = max(round(share * len(y)), int(share > 0))
    fell_back = count > len(own)
    rows = np.sort(rng.permutation(np.arange(len(y)) if fell_back else own)[:count])
    made = y.copy()
    made[rows] = (made[rows] + rng.integers(1, classes, len(rows))) % classes
    return Noisy(made, rows.astype(np.int64), fell_back)
