"""One import for users of the methods: `from retrace.library import lira, rmia, audit_model, ...`.

Light: arrays in, numbers out. What needs a network library loads it when it is called. docs/library.md shows
how the parts go together; verification (`retrace.verify`) and language models (`retrace.llm`) need torch and
are imported from their modules.
"""

from retrace.attacks.arrays import AttackError
from retrace.attacks.membership.audit import AttackResult, run_attacks, summarise
from retrace.attacks.membership.either import rmia
from retrace.attacks.membership.ensemble import Ensemble, NoisyLabels, Population
from retrace.attacks.membership.gradient import gradient_norm_attack
from retrace.attacks.membership.label_only import noise_distance, right_copies
from retrace.attacks.membership.likelihoods import log_likelihood
from retrace.attacks.membership.lira import lira
from retrace.attacks.membership.nn import nn_attack
from retrace.attacks.membership.population import attack_p
from retrace.attacks.membership.quantile import quantile_attack
from retrace.attacks.membership.queries import flips_and_shifts, noisy_copies
from retrace.attacks.membership.reference import attack_r, difficulty_calibration
from retrace.attacks.membership.rmia import rmia_offline, rmia_online, tune_a
from retrace.attacks.membership.signals import (
    confidence,
    correctness,
    entropy,
    hinge,
    label_rank,
    logit_scaled_confidence,
    loss,
    member_high,
    modified_entropy,
)
from retrace.attacks.membership.threshold import threshold_attack, threshold_attack_per_class
from retrace.attacks.roc import (
    auc,
    balanced_accuracy,
    best_threshold,
    best_threshold_per_class,
    positive_predictive_value,
    roc,
    tpr_at_fpr,
)
from retrace.auditing.answers import Answers
from retrace.auditing.audit import ModelAudit, audit_model
from retrace.auditing.networks import logits_of, read_network, torch_trainer
from retrace.auditing.page import page
from retrace.auditing.picture import roc_figure
from retrace.auditing.saved import read_answers
from retrace.auditing.shadows import shadow_ensemble
from retrace.privacy.empirical import epsilon_lower_bound
from retrace.privacy.held_out import epsilon_held_out
from retrace.privacy.one_run import epsilon_of_guesses, epsilon_one_run
from retrace.stats.areas import auc_interval

__all__ = [
    "Answers",
    "AttackError",
    "AttackResult",
    "Ensemble",
    "ModelAudit",
    "NoisyLabels",
    "Population",
    "attack_p",
    "attack_r",
    "auc",
    "auc_interval",
    "audit_model",
    "balanced_accuracy",
    "best_threshold",
    "best_threshold_per_class",
    "confidence",
    "correctness",
    "difficulty_calibration",
    "entropy",
    "epsilon_held_out",
    "epsilon_lower_bound",
    "epsilon_of_guesses",
    "epsilon_one_run",
    "flips_and_shifts",
    "gradient_norm_attack",
    "hinge",
    "label_rank",
    "lira",
    "log_likelihood",
    "logit_scaled_confidence",
    "logits_of",
    "loss",
    "member_high",
    "modified_entropy",
    "nn_attack",
    "noise_distance",
    "noisy_copies",
    "page",
    "positive_predictive_value",
    "quantile_attack",
    "read_answers",
    "read_network",
    "right_copies",
    "rmia",
    "rmia_offline",
    "rmia_online",
    "roc",
    "roc_figure",
    "run_attacks",
    "shadow_ensemble",
    "summarise",
    "threshold_attack",
    "threshold_attack_per_class",
    "torch_trainer",
    "tpr_at_fpr",
    "tune_a",
]
