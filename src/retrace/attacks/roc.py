"""From membership scores to figures: ROC, AUC, TPR at a low FPR, thresholds, balanced accuracy.

Scores are shape (n,), higher = member; `member` is (n,) bool. Equal scores are one threshold; an FPR between
two thresholds is reached by calling a share of the tied examples, drawn at random, members.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Floats, Ints, as_bools, as_labels, as_numbers
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

    def tpr_at(self, fpr: npt.ArrayLike) -> Floats:
        """True-positive rate at these false-positive rates in [0,1], same shape, straight through a tie.

        The expected rate of the randomised decision; where no member ties with a non-member it is the largest
        TPR whose FPR is at most the one asked for. AttackError outside [0,1].
        """
        rate = np.asarray(fpr, dtype=np.float64)
        if not ((rate >= 0) & (rate <= 1)).all():
            raise AttackError("false-positive rates lie in [0, 1]; 1 % is 0.01")
        at, share = self.place(rate)
        more = np.append(self.true_positives[1:], self.members)[at] - self.true_positives[at]
        rates: Floats = (self.true_positives[at] + share * more) / self.members
        return rates

    def place(self, fpr: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
        """The last threshold whose FPR is at most `fpr`, and the share of the next one's block to call."""
        allowed = fpr * self.non_members
        at = np.searchsorted(self.false_positives, allowed * (1 + 1e-12), side="right") - 1
        here = self.false_positives[at]
        block = np.append(self.false_positives[1:], 2 * self.non_members)[at] - here
        share = np.clip((allowed - here) / block, 0.0, 1.0)
        return at, np.where(share < 1e-9, 0.0, share)  # rounding of fpr * n is no share

    @property
    def auc(self) -> float:
        """Area under the curve, ties counted half; exact in integers up to the last division."""
        above = self.true_positives[1:] + self.true_positives[:-1]
        return int(np.diff(self.false_positives) @ above) / (2 * self.members * self.non_members)


@dataclass(frozen=True)
class Rate:
    """A rate with its interval, and the threshold above or at which all are called; ties below it in part."""

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
    """Return the TPR at FPR `fpr` (0.01 is 1 %), with its Clopper-Pearson interval over members.

    Tied scores are called in part, at random (`Roc.tpr_at`): constant scores reach `fpr`. The interval takes
    the threshold as given and the n examples as independent: pooled over targets that share examples it is
    too short. AttackError with fewer than `least`/`fpr` non-members.
    Source: Carlini et al. (S&P 2022) for the figure.
    """
    return tpr_of(roc(scores, member), fpr, level=level, least=least)


def tpr_of(curve: Roc, fpr: float, *, level: float = 0.95, least: int = LEAST_FALSE_POSITIVES) -> Rate:
    """Return what `tpr_at_fpr` returns, from a ROC already made."""
    check_resolution(curve.non_members, fpr, least)
    check_level(level)
    at, _ = curve.place(np.asarray(fpr))
    value = float(curve.tpr_at(fpr))
    hits = value * curve.members
    # of a share of a block: between whole numbers of members, to the safe side
    low, _ = clopper_pearson(math.floor(hits + 1e-9), curve.members, level)
    _, high = clopper_pearson(math.ceil(hits - 1e-9), curve.members, level)
    return Rate(value, low, high, float(curve.thresholds[at]))


def check_level(level: float) -> None:
    """Raise AttackError unless an interval's level lies strictly between 0 and 1."""
    if not 0 < level < 1:
        raise AttackError(f"level: the share of intervals that cover, as 0.95; got {level:g}")


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
    if math.isnan(threshold):
        raise AttackError("threshold: a number; got NaN; choose it with best_threshold on shadow data")
    called = s >= threshold
    return float((called[m].mean() + (~called[~m]).mean()) / 2)


def positive_predictive_value(tpr: float, fpr: float, prior: float) -> float:
    """Return P(member | called a member) when a share `prior` of the examples asked about are members.

    AttackError unless all three lie in [0,1].
    """
    for name, value in (("tpr", tpr), ("fpr", fpr), ("prior", prior)):
        if not 0 <= value <= 1:
            raise AttackError(f"{name}: a share from 0 to 1 (5 % is 0.05); got {value:g}")
    called = tpr * prior + fpr * (1 - prior)
    return tpr * prior / called if called > 0 else float("nan")


def _checked(scores: npt.ArrayLike, member: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.bool_]]:
    s: Floats = as_numbers(scores, "scores")
    if s.ndim != 1:
        raise AttackError(f"scores: the shape must be (n,); got {s.shape}; flatten them first")
    m = as_bools(member, "member", s.shape)
    if np.isnan(s).any():
        raise AttackError(f"scores: {int(np.isnan(s).sum())} of {s.size} are NaN; mend the attack's input")
    if m.all() or not m.any():
        raise AttackError(f"a ROC needs members and non-members; got {int(m.sum())} members of {m.size}")
    return s, m
