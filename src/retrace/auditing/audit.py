"""Attacks on one model with intervals over examples, and what they prove about its epsilon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from retrace.attacks.arrays import AttackError, Floats
from retrace.attacks.membership.either import rmia
from retrace.attacks.membership.likelihoods import log_likelihood
from retrace.attacks.membership.lira import lira
from retrace.attacks.membership.reference import attack_r, difficulty_calibration
from retrace.attacks.membership.signals import correctness, logit_scaled_confidence, member_high
from retrace.attacks.resolution import LEAST_FALSE_POSITIVES
from retrace.attacks.roc import Rate, auc, check_level, tpr_at_fpr
from retrace.auditing.answers import Answers
from retrace.privacy.one_run import OneRun, epsilon_one_run
from retrace.stats.areas import auc_interval

SIGNALS = ("loss", "entropy", "modified_entropy", "hinge", "correctness")
FPRS = (0.01, 0.001)


@dataclass(frozen=True)
class Area:
    """An area under a ROC curve with its interval over examples."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Attacked:
    """What one attack reached: scores (N,), AUC, TPR at each resolvable FPR, and the bound on epsilon."""

    name: str
    scores: Floats
    auc: Area
    tpr: dict[float, Rate]
    epsilon: OneRun


@dataclass(frozen=True)
class ModelAudit:
    """All attacks on a model, the strongest first; accuracies; and the check on the two sets.

    `blind`: AUC of models that never saw the examples, guessing which are members of the audited one's
    training set; it should hold 0.5. None without such models.
    """

    answers: Answers
    attacks: list[Attacked]
    accuracy: tuple[float, float]  # on members, on non-members
    blind: Area | None
    level: float
    delta: float

    @property
    def strongest(self) -> Attacked:
        """The attack with the largest AUC."""
        return self.attacks[0]

    @property
    def epsilon(self) -> float:
        """The epsilon that training exceeds with confidence `level`, whichever attack shows it."""
        return max(attack.epsilon.epsilon for attack in self.attacks)

    @property
    def sets_differ(self) -> bool:
        """Whether models that saw neither set tell members from non-members: then no attack means much."""
        return self.blind is not None and not self.blind.low <= 0.5 <= self.blind.high


def audit_model(answers: Answers, *, level: float = 0.95, delta: float = 1e-5, seed: int = 0) -> ModelAudit:
    """Attack a model by its answers with every attack that they allow.

    Intervals are over examples: they say how the figures of this one model vary with the examples asked
    about, not how another training run would do (`run_attacks` on an ensemble does). The bounds on epsilon
    hold together at `level` (Bonferroni over attacks); they presume that each example was a member by a fair
    coin. TPRs are given where 10 false positives can be had. AttackError, one line, for bad settings.
    """
    check_level(level)
    if not 0 <= delta < 1:
        raise AttackError(f"delta: a probability below 1, as 1e-5; got {delta:g}")
    member = answers.member.astype(bool)
    scores = {name: attack() for name, attack in _attacks(answers)}
    fprs = [fpr for fpr in FPRS if (~member).sum() * fpr >= LEAST_FALSE_POSITIVES]
    own = 1 - (1 - level) / len(scores)
    attacks = [
        Attacked(
            name,
            s,
            _area(s, answers, level),
            {fpr: tpr_at_fpr(s, member, fpr, level=level) for fpr in fprs},
            epsilon_one_run(s, member, delta=delta, level=own, seed=seed),
        )
        for name, s in scores.items()
    ]
    attacks.sort(key=lambda attack: -attack.auc.value)
    right = correctness(answers.logits, answers.labels)
    accuracy = float(right[member].mean()), float(right[~member].mean())
    return ModelAudit(answers, attacks, accuracy, _blind(answers, level), level, delta)


def _area(scores: Floats, answers: Answers, level: float) -> Area:
    member = answers.member.astype(bool)
    return Area(auc(scores, member), *auc_interval(scores[member], scores[~member], level))


def _attacks(answers: Answers) -> Iterator[tuple[str, Callable[[], Floats]]]:
    logits, labels = answers.logits, answers.labels
    for name in SIGNALS:
        yield name, lambda name=name: member_high(name, logits, labels)  # type: ignore[misc]
    if answers.references is None:
        return
    seen = answers.known
    out, both = (~seen).sum(axis=0), bool((seen.any(axis=0) & (~seen).any(axis=0)).all())
    own, others = (member_high("loss", z, labels) for z in (logits, answers.references))
    phi, known = (logit_scaled_confidence(z, labels) for z in (logits, answers.references))
    yield "attack_r", lambda: attack_r(own, others, seen)
    yield "difficulty_calibration", lambda: difficulty_calibration(own, others, seen)
    if out.min() >= 1 and out.mean() >= 2:
        yield "lira_offline", lambda: lira(phi, known, seen, online=False)
    if both and min(out.mean(), seen.sum(axis=0).mean()) >= 2:
        yield "lira_online", lambda: lira(phi, known, seen)
    if answers.population is not None and answers.population_references is not None:
        p, r = (log_likelihood(z, labels) for z in (logits, answers.references))
        labels_z = answers.population_labels
        assert labels_z is not None
        pz, rz = (log_likelihood(z, labels_z) for z in (answers.population, answers.population_references))
        for online in (False, True) if both else (False,):
            name = f"rmia_{'online' if online else 'offline'}"
            yield name, lambda online=online: rmia(p, r, seen, pz, rz, online=online)  # type: ignore[misc]


def _blind(answers: Answers, level: float) -> Area | None:
    if answers.references is None or answers.known.all(axis=0).any():
        return None
    out = ~answers.known
    others = member_high("loss", answers.references, answers.labels)
    return _area(np.where(out, others, 0.0).sum(axis=0) / out.sum(axis=0), answers, level)
