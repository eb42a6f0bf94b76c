"""How often a model without any idea would be right at least so often, where the median decides.

With the median of the same margins as threshold, about half of the items lie above it whatever a model does,
so right answers come in twos: their number is no binomial one. Given how many items lie above and below, the
items with the label that lie above are a draw without replacement.
"""

from __future__ import annotations

from math import comb

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


def by_chance(above: Bools, below: Bools, labels: Bools) -> float:
    """P value of at least as many right items when labels are dealt out at random among all items (N,).

    An item with the label is right above, one without it below; what is neither is wrong either way.
    """
    high, low, positive = int(above.sum()), int(below.sum()), int(labels.sum())
    rest = len(labels) - high - low
    seen = int((above & labels).sum() + (below & ~labels).sum())
    ways = 0
    for x in range(min(high, positive) + 1):  # items with the label above, then (y) below
        for y in range(max(0, positive - x - rest), min(low, positive - x) + 1):
            if x + low - y >= seen:
                ways += comb(high, x) * comb(low, y) * comb(rest, positive - x - y)
    return ways / comb(len(labels), positive)
