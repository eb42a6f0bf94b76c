"""Put some weights back to other values and fine-tune the rest: what CWRF and PPTP share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from retrace.defenses.membership.bench import Bench
from retrace.defenses.membership.dpsgd import train_privately
from retrace.defenses.membership.settings import DpSgd
from retrace.training.fit import Hold, Loss, Schedule, fit
from retrace.training.norm_statistics import reestimate
from retrace.training.shadows import Shadows, Tensors


def rewind(models: Shadows, mask: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> Shadows:
    """A copy whose entries are `values` where `mask` is true; both map a parameter's name to (G,...)."""
    back = models.copy()
    with torch.no_grad():
        for name, p in back.params.items():
            p.copy_(torch.where(mask[name], values[name], p))
    return back


def rewind_and_finetune(
    bench: Bench,
    models: Shadows,
    mask: Mapping[str, Tensor],
    values: Mapping[str, Tensor],
    frozen: Mapping[str, Tensor],
    loss: Loss | DpSgd,
    schedule: Schedule,
) -> Shadows:
    """Rewind a copy of the models, re-estimate norm statistics, then train with `loss` what is not `frozen`.

    With DP-SGD in the loss's place its noise is for the epsilon of this training alone.

    The optimiser starts afresh and the learning rate from its initial value. Frozen entries keep their
    bits, since the update is undone there. Zero epochs leave the rewound models.
    """
    rewound = rewind(models, mask, values)
    reestimate(rewound, bench.x, bench.rows)
    if schedule.epochs:
        fixed = {name: p.detach().clone() for name, p in rewound.params.items()}
        hold = Hold(dict(frozen), fixed)
        if isinstance(loss, DpSgd):
            train_privately(bench, rewound, loss, schedule, hold)
        else:
            fit(rewound, bench.data, loss, schedule, bench.seed, hold=hold)
    return rewound


def everywhere(models: Shadows, value: bool) -> Tensors:
    """A mask of one value for all parameters, name -> (G,...)."""
    return {name: torch.full_like(p, value, dtype=torch.bool) for name, p in models.params.items()}


def opposite(mask: Mapping[str, Tensor]) -> Tensors:
    """The mask's complement."""
    return {name: ~part for name, part in mask.items()}
