"""RelaxLoss: hold the training loss near a target instead of driving it to zero."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from retrace.training.fit import Batch, Loss, cross_entropies


def relaxloss(alpha: float, upper: float) -> Loss:
    """The loss that steers each model's cross-entropy towards `alpha` nats.

    Even epochs: the distance of the batch's cross-entropy from alpha. Odd epochs: the cross-entropy where it
    is above alpha, else that with a soft target: the model's own confidence in the label, `upper` at most,
    and the rest shared by the other classes.
    Source: Chen, Yu, Fritz, RelaxLoss (ICLR 2022), algorithm 1.
    """

    def loss(batch: Batch) -> Tensor:
        plain = cross_entropies(batch.logits, batch.labels).mean(1)
        if batch.epoch % 2 == 0:
            return (plain - alpha).abs()
        classes = batch.logits.shape[-1]
        log_p = F.log_softmax(batch.logits, -1)
        label = batch.labels.unsqueeze(-1)
        own = log_p.detach().gather(-1, label).exp().clamp(max=upper)
        target = ((1 - own) / (classes - 1)).expand_as(log_p).scatter(-1, label, own)
        soft = -(target * log_p).sum(-1).mean(1)
        return torch.where(plain > alpha, plain, soft)

    return loss
