"""The loss of a defence that is nothing but a loss."""

from __future__ import annotations

from retrace.defenses.membership import settings as s
from retrace.defenses.membership.hamp import hamp_loss
from retrace.defenses.membership.losses.ccl import convex_concave
from retrace.defenses.membership.losses.penalty import confidence_penalty
from retrace.defenses.membership.losses.relaxloss import relaxloss
from retrace.defenses.membership.losses.smoothing import label_smoothing
from retrace.training.fit import Loss, cross_entropy


def loss_of(settings: s.LossSettings, classes: int) -> Loss:
    """The training loss that these settings describe."""
    match settings:
        case s.LabelSmoothing():
            return label_smoothing(settings.epsilon)
        case s.ConfidencePenalty():
            return confidence_penalty(settings.beta)
        case s.RelaxLoss():
            return relaxloss(settings.alpha, settings.upper, settings.form)
        case s.Ccl():
            return convex_concave(settings.alpha, settings.beta, settings.form)
        case s.Hamp():
            return hamp_loss(settings.gamma, settings.alpha, classes)
        case _:
            return cross_entropy
