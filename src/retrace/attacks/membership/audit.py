"""An audit: every model of an ensemble is the target once; the figures each named attack reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from retrace.attacks.arrays import AttackError, Floats, as_floats
from retrace.attacks.membership.ensemble import Ensemble
from retrace.attacks.membership.names import NETWORKS
from retrace.attacks.membership.suite import attacks_for, decides_at_zero, nn_scores
from retrace.attacks.resolution import LEAST_FALSE_POSITIVES, check_resolution
from retrace.attacks.roc import Rate, auc, balanced_accuracy, best_threshold, check_level, roc, tpr_of
from retrace.stats.intervals import t_interval

FPRS = (0.01, 0.001)  # the pool's size decides which of them are reported unless others are asked for


@dataclass(frozen=True)
class OverTargets:
    """A figure for each target (K,), its mean and Student's t interval over targets."""

    each: Floats
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class AttackResult:
    """What one attack reached: scores (K,N), AUC and balanced accuracy over targets, pooled TPR at each FPR.

    The balanced accuracy's threshold comes from shadow models alone: a threshold attack's own, else the best
    one for the scores of the target's references (attacked with the target among their references, so that
    it has a small part in that one number). The pooled TPR takes one threshold for all targets' scores; its
    Clopper-Pearson interval counts (target, example) pairs as independent.
    """

    scores: Floats
    auc: OverTargets
    balanced_accuracy: OverTargets
    tpr: dict[float, Rate]

    def record(self) -> dict[str, Any]:
        """The figures without the scores, as plain numbers for JSON."""
        return {
            "targets": len(self.auc.each),
            "auc": _plain(self.auc),
            "balanced_accuracy": _plain(self.balanced_accuracy),
            "tpr": {
                f"{fpr:g}": {"value": rate.value, "low": rate.low, "high": rate.high}
                for fpr, rate in self.tpr.items()
            },
        }


def run_attacks(
    models: Ensemble,
    attacks: tuple[str, ...] | None = None,
    *,
    fprs: tuple[float, ...] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, AttackResult]:
    """Attack every model of the ensemble with the others and return the results by attack.

    `attacks` None: all that the ensemble's arrays allow. `fprs` None: those of 1 and 0.1 % that the pooled
    non-members resolve. AttackError, before any attack runs, when an attack is unknown or lacks its arrays
    or the pooled non-members are too few for one of `fprs`.
    Source of the design: Carlini et al. (S&P 2022); leaving out the partner is ours.
    """
    wanted = attacks_for(models, None if attacks is None else tuple(a for a in attacks if a not in NETWORKS))
    check_level(level)
    fprs = _resolved(models) if fprs is None else fprs
    for fpr in fprs:
        check_resolution(int((~models.inside).sum()), fpr)
    for target in range(len(models.inside)):
        if len(models.references(target)) < 2:
            raise AttackError(f"target {target} has fewer than 2 reference models; train more pairs")
    targets = range(len(models.inside))
    scores = {name: np.stack([attack(models, k) for k in targets]) for name, attack in wanted.items()}
    for name in NETWORKS:
        if attacks is None or name in attacks:
            scores[name] = nn_scores(models, seed, name=name)
    order = scores if attacks is None else attacks
    return {
        name: summarise(
            scores[name], models, fprs=fprs, level=level, threshold=0.0 if decides_at_zero(name) else None
        )
        for name in order
    }


def summarise(
    scores: Floats,
    models: Ensemble,
    *,
    fprs: tuple[float, ...] | None = None,
    level: float = 0.95,
    threshold: float | None = None,
) -> AttackResult:
    """Return the figures of scores (K,N) whose row k attacks model k; also for an attack of one's own.

    `threshold`: the attack's own for "member" (None: chosen for each target on its references' scores).
    """
    inside = models.inside
    if np.shape(scores) != inside.shape:
        raise AttackError(f"scores {np.shape(scores)} do not fit the membership matrix {inside.shape}")
    scores = as_floats(scores, "scores", inside.shape)
    pooled = roc(scores.ravel(), inside.ravel())
    areas = [auc(row, member) for row, member in zip(scores, inside, strict=True)]
    accuracies = []
    for k in range(len(scores)):
        at = threshold
        if at is None:
            others = models.references(k)
            at = best_threshold(scores[others].ravel(), inside[others].ravel())
        accuracies.append(balanced_accuracy(scores[k], inside[k], at))
    return AttackResult(
        scores,
        _over_targets(areas, level),
        _over_targets(accuracies, level),
        {fpr: tpr_of(pooled, fpr, level=level) for fpr in (_resolved(models) if fprs is None else fprs)},
    )


def _resolved(models: Ensemble) -> tuple[float, ...]:
    """Those of FPRS that the pool resolves; maybe none."""
    least = LEAST_FALSE_POSITIVES / int((~models.inside).sum())
    return tuple(fpr for fpr in FPRS if fpr * (1 + 1e-12) >= least)


def _over_targets(values: list[float], level: float) -> OverTargets:
    low, high = t_interval(values, level)
    return OverTargets(np.asarray(values), float(np.mean(values)), low, high)


def _plain(figure: OverTargets) -> dict[str, Any]:
    return {"mean": figure.mean, "low": figure.low, "high": figure.high, "each": figure.each.tolist()}
