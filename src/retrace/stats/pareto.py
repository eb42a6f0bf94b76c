"""The Pareto front of things that are useful and harmful at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def pareto(utility: npt.ArrayLike, harm: npt.ArrayLike) -> list[int]:
    """Places of the points (n,) that none beats in both, more utility and less harm, by rising utility."""
    good, bad = np.asarray(utility, dtype=float), np.asarray(harm, dtype=float)
    front, least = [], np.inf
    for i in np.lexsort((bad, -good)):
        if bad[i] < least:
            front.append(int(i))
            least = bad[i]
    return front[::-1]
