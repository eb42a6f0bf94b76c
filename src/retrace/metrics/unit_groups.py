"""Which units serve safety, utility, both or neither: the four groups of SSAH, and rivals of equal size.

Li and Kim (SSAH, ICLR 2026), section 4: with scores s on safety data and u on utility data, exclusive safety
units have the largest s - u, exclusive utility units the smallest, redundant units the smallest s + u, and
complex units are the rest. The order in which overlaps are settled (ESU, EUU, RU) and the order among complex
units (by s) are our reconstruction: the paper leaves both open. Free of torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
GROUPS = ("esu", "euu", "cu", "ru")


@dataclass(frozen=True)
class Shares:
    """Shares of all units, each between 0 and 1; what is left is complex."""

    esu: float
    euu: float
    ru: float

    def __post_init__(self) -> None:
        """Refuse shares that cannot be had."""
        given = {"esu": self.esu, "euu": self.euu, "ru": self.ru}
        for name, share in given.items():
            if not 0 <= share <= 1:
                raise ValueError(f"share {name} is {share:g}; it must lie between 0 and 1")
        if sum(given.values()) > 1 + 1e-9:
            raise ValueError(
                f"shares esu {self.esu:g} + euu {self.euu:g} + ru {self.ru:g} add to more than 1: lower one"
            )


def classify(
    safety: Scores, utility: Scores, shares: Shares, within: Rows | None = None, sizes: Scores | None = None
) -> Rows:
    """Group of every unit, as an index into `GROUPS` (N,), from scores (N,) that can be compared.

    `within` (N,) numbers the module of every unit: each module then gives the same share of its units.
    `sizes` (N,): what shares are shares of, one a unit by default.
    ValueError when the scores differ in length or are not finite.
    """
    s, u = _checked(safety, utility)
    groups = np.full(len(s), GROUPS.index("cu"), dtype=np.int64)
    free = np.ones(len(s), dtype=bool)
    for name, order in (("esu", u - s), ("euu", s - u), ("ru", s + u)):
        chosen = _first(_places(order, within), free, getattr(shares, name), sizes)
        groups[chosen], free[chosen] = GROUPS.index(name), False
    return groups


def top_complex(
    groups: npt.NDArray[np.int64],
    safety: Scores,
    share: float,
    within: Rows | None = None,
    sizes: Scores | None = None,
) -> Rows:
    """The complex units with the largest safety score, `share` of all units at most."""
    order = _places(-np.asarray(safety, dtype=np.float64), within)
    return _first(order, groups == GROUPS.index("cu"), share, sizes)


def ranked(
    safety: Scores,
    utility: Scores,
    group: str,
    share: float,
    within: Rows | None = None,
    sizes: Scores | None = None,
) -> Rows:
    """The first `share` of all units in the order of one group: a point of its pruning curve.

    Orders: "esu", "euu", "ru"; "safety" ranks by s alone (a trivial rival). `within` and `sizes` as in
    `classify`. ValueError for another name.
    """
    s, u = _checked(safety, utility)
    orders = {"esu": u - s, "euu": s - u, "ru": s + u, "safety": -s}
    if group not in orders:
        raise ValueError(f"no order {group!r} (known: {', '.join(orders)})")
    return leading(_places(orders[group], within), share, sizes)


def leading(order: Scores, share: float, sizes: Scores | None = None) -> Rows:
    """The units with the smallest `order` (N,), `share` of all; `sizes` as in `classify`."""
    return _first(order, np.ones(len(order), dtype=bool), share, sizes)


def set_difference(safety: Scores, utility: Scores, top_safety: float, top_utility: float) -> Rows:
    """Units among the top share by safety but not among the top share by utility.

    Wei et al. (Assessing the brittleness of safety alignment, ICML 2024), taken from weights to units.
    """
    s, u = _checked(safety, utility)
    return np.setdiff1d(leading(-s, top_safety), leading(-u, top_utility))


def sized_difference(safety: Scores, utility: Scores, count: int) -> Rows:
    """`set_difference` of equal top shares, the smallest that leave `count` units (a reconstruction).

    Wei et al. search both shares by hand. ValueError when no equal shares leave as many units.
    """
    s, u = _checked(safety, utility)
    places = [np.argsort(np.argsort(-values, kind="stable"), kind="stable") for values in (s, u)]
    both = np.bincount(np.maximum(*places), minlength=len(s)).cumsum()  # units in both tops of k + 1
    sizes = np.concatenate([[0], np.arange(1, len(s) + 1) - both])  # grows by one unit at most
    if count > sizes.max():
        raise ValueError(f"top safety units less top utility units are {sizes.max()} at most, not {count}")
    top = int(np.argmax(sizes >= count))
    return np.flatnonzero((places[0] < top) & (places[1] >= top)).astype(np.int64)


def transfer(before: npt.NDArray[np.int64], after: npt.NDArray[np.int64]) -> Scores:
    """Share of all units (4,4) that were in the group of the row and are in the group of the column."""
    if len(before) != len(after):
        raise ValueError(f"{len(before)} units before and {len(after)} after cannot be matched")
    flows = np.zeros((len(GROUPS), len(GROUPS)))
    np.add.at(flows, (before, after), 1 / len(before))
    return flows


def _places(order: Scores, within: Rows | None) -> Scores:
    """The order itself, or each unit's place in its module, 0 to 1: modules of any size lose equal shares."""
    if within is None:
        return order
    places = np.empty(len(order))
    for module in np.unique(within):
        rows = np.flatnonzero(within == module)
        places[rows[np.argsort(order[rows], kind="stable")]] = (np.arange(len(rows)) + 0.5) / len(rows)
    return places


def _first(order: Scores, allowed: npt.NDArray[np.bool_], share: float, sizes: Scores | None) -> Rows:
    """Of the allowed units the first in the order whose sizes add to what is nearest to the share of all."""
    rows = np.flatnonzero(allowed)
    rows = rows[np.argsort(order[rows], kind="stable")].astype(np.int64)
    if sizes is None:
        return rows[: round(share * len(order))]
    filled = np.concatenate([[0.0], np.cumsum(sizes[rows])])
    return rows[: int(np.argmin(np.abs(filled - share * sizes.sum())))]


def _checked(safety: Scores, utility: Scores) -> tuple[Scores, Scores]:
    s, u = np.asarray(safety, dtype=np.float64).ravel(), np.asarray(utility, dtype=np.float64).ravel()
    if len(s) != len(u) or not len(s):
        raise ValueError(f"{len(s)} safety and {len(u)} utility scores: as many of each are needed")
    if not (np.isfinite(s).all() and np.isfinite(u).all()):
        raise ValueError("a unit's score is not finite: look at the data it was computed on")
    return s, u
