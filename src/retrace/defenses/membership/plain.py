"""Defences that train the usual network from scratch with another loss or for fewer epochs."""

from __future__ import annotations

from retrace.defenses.membership.bench import Bench, Defended
from retrace.defenses.membership.losses.base import loss_of
from retrace.defenses.membership.settings import EarlyStopping, LossSettings
from retrace.training.fit import cross_entropy, fit


def with_loss(bench: Bench, settings: LossSettings) -> Defended:
    """Train from scratch with the defence's loss."""
    models = bench.start.copy()
    fit(models, bench.data, loss_of(settings, bench.classes), bench.rated(settings.learning_rate), bench.seed)
    return Defended(models)


def early_stopping(bench: Bench, settings: EarlyStopping) -> Defended:
    """Plain training that ends after `epochs` of the schedule's.

    The number is a setting, so that a curve over it can be drawn; no validation set decides it.
    """
    models = bench.start.copy()
    schedule = bench.rated(settings.learning_rate)
    fit(models, bench.data, cross_entropy, schedule, bench.seed, stop_after=settings.epochs)
    return Defended(models)
