"""Attack-P: rank an example among a population the target has not seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Floats, as_floats


def attack_p(target: npt.ArrayLike, population: npt.ArrayLike) -> Floats:
    """Return the share of the population whose signal is at most the example's, shape (N,), in [0,1].

    `target` (N,) and `population` (Z,): one signal of the target, members high (loss: its negative), on the
    examples and on non-members. 1 minus the score is the false-positive rate at that threshold.
    Source: Ye et al., Enhanced membership inference attacks (CCS 2022), Attack P.
    """
    if not np.size(population):
        raise AttackError("Attack-P needs a population of non-members; got none")
    signal = as_floats(target, "target", (None,))
    others = as_floats(population, "population", (None,))
    return np.searchsorted(np.sort(others), signal, side="right") / len(others)
