"""Exact and score tests for shares of yes-or-no items, whatever their spread looks like.

Where all items agree, or all but one, their variance says next to nothing; these tests know that a share has
the spread of a binomial. Counts may be fractions: an item that three of four networks got right counts 0.75.
"""

from __future__ import annotations

import math

from scipy.special import betainc, ndtr


def share_above(yes: float, items: int, bound: float) -> float:
    """P value of the exact binomial test whose alternative is "the share of yes is above bound".

    ValueError unless 0 <= yes <= items and there is an item. A bound outside (0, 1) cannot be tested by
    items: the p value is then 0 (below 0) or 1 (at 1 and above; at 0 it is 0 as soon as one item says yes).
    """
    _check(yes, items)
    if bound <= 0:
        return 0.0 if bound < 0 or yes > 0 else 1.0
    if bound >= 1 or yes <= 0:
        return 1.0
    return float(betainc(yes, items - yes + 1, bound))


def share_below(yes: float, items: int, bound: float) -> float:
    """As `share_above`, with the alternative "below"."""
    return share_above(max(items - yes, 0.0), items, 1 - bound)  # a count may exceed its items by a rounding


def paired_above(gained: float, lost: float, items: int, bound: float) -> float:
    """P value of the score test whose alternative is "the share gained minus the share lost is above bound".

    Of `items` pairs, `gained` have yes on the first side alone and `lost` on the second alone. The variance
    is taken under the null hypothesis, so that it does not vanish where all pairs agree (Tango, Statistics
    in Medicine 17, 1998). ValueError unless the counts are at least 0 and fit into the items.
    """
    if min(gained, lost) < 0:
        raise ValueError(f"counts of pairs are at least 0; got {gained} and {lost}")
    _check(gained + lost, items)
    if abs(bound) >= 1:
        return 0.0 if bound < 0 else 1.0
    # the share lost that is most likely where the difference is exactly the bound
    b = -gained - lost + (2 * items - gained + lost) * bound
    c = -lost * bound * (1 - bound)
    root = math.sqrt(max(b * b - 8 * items * c, 0.0))
    share_lost = min(max((root - b) / (4 * items), max(-bound, 0.0)), (1 - bound) / 2)
    variance = items * (2 * share_lost + bound * (1 - bound))
    if variance <= 0:
        return 0.5 if gained == lost else float(gained < lost)
    return float(ndtr(-(gained - lost - items * bound) / math.sqrt(variance)))


def paired_below(gained: float, lost: float, items: int, bound: float) -> float:
    """As `paired_above`, with the alternative "below"."""
    return paired_above(lost, gained, items, -bound)


def _check(yes: float, items: int) -> None:
    if items < 1 or not 0 <= yes <= items * (1 + 1e-12):
        raise ValueError(f"a share needs 0 <= yes <= items and an item; got {yes} of {items}")
