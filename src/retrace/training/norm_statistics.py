"""Running statistics of batch norms after weights were put in from elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from retrace.training.shadows import Shadows


@torch.no_grad()
def reestimate(models: Shadows, x: Tensor, rows: Tensor, batch: int = 256) -> None:
    """Replace running means and variances by averages over x[rows], rows (G,n); nothing without batch norms.

    After a rewind the old statistics belong to weights that are gone; evaluation with them means nothing.
    """
    norms = [m for m in models.base.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    for name, buffer in models.buffers.items():
        if name.endswith(("running_mean", "num_batches_tracked")):
            buffer.zero_()
        elif name.endswith("running_var"):
            buffer.fill_(1)
    before = [m.momentum for m in norms]
    totals: dict[str, Tensor] = {}
    parts = [part for part in torch.split(rows, batch, 1) if part.shape[1] > 1]
    for m in norms:
        m.momentum = 1.0  # each pass leaves the batch's own statistics, averaged here
    for part in parts:
        models.forward(x[part], train=True)
        for name, buffer in models.buffers.items():
            if name.endswith(("running_mean", "running_var")):
                totals[name] = totals.get(name, torch.zeros_like(buffer)) + buffer / len(parts)
    for name, total in totals.items():
        models.buffers[name].copy_(total)
    for m, momentum in zip(norms, before, strict=True):
        m.momentum = momentum
