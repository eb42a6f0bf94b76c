"""Distillation for membership privacy (DMP): the released model never sees a member."""

from __future__ import annotations

import torch

from retrace.defenses.membership.bench import Bench, Defended
from retrace.defenses.membership.distilling.distil import distillation
from retrace.defenses.membership.settings import Dmp
from retrace.training.fit import Data, fit


def dmp(bench: Bench, settings: Dmp) -> Defended:
    """Train a fresh student on the reference inputs, labelled by the undefended model at a temperature.

    The labels of the reference examples are not used; all of them are taken, whatever their entropy.
    Steps are as many as plain training takes. Source: Shejwalkar and Houmansadr (AAAI 2021), section 4.
    """
    models, x = bench.start.copy(), bench.reference_x
    logits, _ = bench.trained.predict(x)
    rows = torch.arange(len(x), device=x.device).expand(len(models), -1)
    teacher = (logits / settings.temperature).softmax(-1)
    schedule = bench.rated(settings.learning_rate)
    longer = max(1, round(schedule.epochs * bench.rows.shape[1] / len(x)))
    data = Data(x, bench.reference_y, rows, {"teacher": teacher})
    fit(models, data, distillation(settings.temperature), schedule.lasting(longer), bench.seed)
    return Defended(models)
