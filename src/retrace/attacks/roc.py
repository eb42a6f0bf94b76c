"""From membership scores to figures: ROC, AUC, TPR at a low FPR, thresholds, balanced accuracy.

Scores are shape (n,), higher = member; `member` is (n,) bool. Equal scores are one threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Floats, Ints, as_bools, as_labels
from retrace.attacks.resolution import LEAST_FALSE_POSITIVES, check_resolution
from retrace.stats.intervals import clopper_pearson


@dataclass(frozen=True)
class Roc:
    """Counts at each threshold "member if score >= t", strictest first; the first one admits nobody."""

    thresholds: Floats  # (T+1,), falling, first +inf
    true_positives: Ints  # (T+1,)
    false_positives: Ints  # (T+1,)

    @cached_property
    def members(self) -> int:
        """How many members there are."""
        return int(self.true_positives[-1])

    @cached_property
    def non_members(self) -> int:
        """How many non-members there are."""
        return int(self.false_positives[-1])

    @property
    def tpr(self) -> Floats:
        """True-positive rate at each threshold, (T+1,)."""
        return self.true_positives / self.members

    @property
    def fpr(self) -> Floats:
        """False-positive rate at each threshold, (T+1,)."""
        return self.false_positives / self.non_members

    @property
    def auc(self) -> float:
        """Area under the curve, ties counted half; exact in integers up to the last division."""
        above = self.true_positives[1:] + self.true_positives[:-1]
        return int(np.diff(self.false_positives) @ above) / (2 * self.members * self.non_members)


@dataclass(frozen=True)
class Rate:
    """A rate with its interval and the threshold it was read at."""

    value: float
    low: float
    high: float
    threshold: float


def roc(scores: npt.ArrayLike, member: npt.ArrayLike) -> Roc:
    """Return the ROC of scores (n,); AttackError without a member, without a non-member, or with NaN."""
    s, m = _checked(scores, member)
    order = np.argsort(s)[::-1]
    ranked = s[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    hits = np.cumsum(m[order], dtype=np.int64)[last]
    return Roc(
        np.concatenate(([np.inf], ranked[last])),
        np.concatenate(([0], hits)),
        np.concatenate(([0], last + 1 - hits)),
    )


def auc(scores: npt.ArrayLike, member: npt.ArrayLike) -> float:
    """Return the area under the ROC of scores (n,): P(member scores higher) + half of P(equal)."""
    return roc(scores, member).auc


def tpr_at_fpr(
    scores: npt.ArrayLike,
    member: npt.ArrayLike,
    fpr: float,
    *,
    level: float = 0.95,
    least: int = LEAST_FALSE_POSITIVES,
) -> Rate:
    """Return the largest TPR whose FPR is at most `fpr`, with its Clopper-Pearson interval over members.

    The interval takes the threshold as given and the n examples as independent: pooled over targets that
    share examples it is too short. AttackError with fewer than `least`/`fpr` non-members.
    Source: Carlini et al. (S&P 2022) for the figure.
    """
    return tpr_of(roc(scores, member), fpr, level=level, least=least)


def tpr_of(curve: Roc, fpr: float, *, level: float = 0.95, least: int = LEAST_FALSE_POSITIVES) -> Rate:
    """Return what `tpr_at_fpr` returns, from a ROC already made."""
    check_resolution(curve.non_members, fpr, least)
    allowed = fpr * curve.non_members * (1 + 1e-12)
    at = int(np.searchsorted(curve.false_positives, allowed, side="right")) - 1
    hits = int(curve.true_positives[at])
    low, high = clopper_pearson(hits, curve.members, level)
    return Rate(hits / curve.members, low, high, float(curve.thresholds[at]))


def best_threshold(scores: npt.ArrayLike, member: npt.ArrayLike) -> float:
    """Return the score t for which "member if score >= t" has the highest balanced accuracy.

    Of equally good ones the largest; always one of the scores. Sorting, O(n log n).
    """
    curve = roc(scores, member)
    gain = curve.true_positives * curve.non_members - curve.false_positives * curve.members
    return float(curve.thresholds[1 + int(gain[1:].argmax())])


def best_threshold_per_class(
    scores: npt.ArrayLike, member: npt.ArrayLike, labels: npt.ArrayLike, classes: int
) -> Floats:
    """Return the best threshold of each class, shape (classes,).

    A class without both members and non-members takes the global one.
    """
    s, m = _checked(scores, member)
    y = as_labels(labels, "labels", len(s), classes)
    order = np.argsort(y, kind="stable")
    found = np.full(classes, best_threshold(s, m))
    ends = np.cumsum(np.bincount(y, minlength=classes))
    for label, rows in enumerate(np.split(order, ends[:-1])):
        if m[rows].any() and not m[rows].all():
            found[label] = best_threshold(s[rows], m[rows])
    return found


def balanced_accuracy(scores: npt.ArrayLike, member: npt.ArrayLike, threshold: float) -> float:
    """Return (TPR + TNR) / 2 of "member if score >= threshold"; choose the threshold on shadow data."""
    s, m = _checked(scores, member)
    called = s >= threshold
    return float((called[m].mean() + (~called[~m]).mean()) / 2)


def positive_predictive_value(tpr: float, fpr: float, prior: float) -> float:
    """Return P(member | called a member) when a share `prior` of the examples asked about are members."""
    called = tpr * prior + fpr * (1 - prior)
    return tpr * prior / called if called > 0 else float("nan")


def _checked(scores: npt.ArrayLike, member: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.bool_]]:
    s: Floats = np.asarray(scores, dtype=np.float64)
    if s.ndim != 1:
        raise AttackError(f"scores: the shape must be (n,); got {s.shape}; flatten them first")
    m = as_bools(member, "member", s.shape)
    if np.isnan(s).any():
        raise AttackError(f"scores: {int(np.isnan(s).sum())} of {s.size} are NaN; mend the attack's input")
    if m.all() or not m.any():
        raise AttackError(f"a ROC needs members and non-members; got {int(m.sum())} members of {m.size}")
    return s, m
