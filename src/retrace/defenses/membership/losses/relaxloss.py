"""RelaxLoss: hold the training loss near a target instead of driving it to zero."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from retrace.training.fit import Batch, Loss, cross_entropies


def relaxloss(alpha: float, upper: float, form: Literal["nonimage", "cifar"] = "nonimage") -> Loss:
    """The loss that steers each model's cross-entropy towards `alpha` nats.

    Even epochs: the distance of the batch's cross-entropy from alpha. Odd epochs: the cross-entropy where it
    is above alpha, else that with a soft target: the model's own confidence in the label, `upper` at most,
    and the rest shared by the other classes. The gradient runs through the target too. The authors' code
    has two forms, named after their trainers: "nonimage" is this one; "cifar" takes the soft target for
    misclassified examples alone and subtracts the cross-entropy of every example, so that right ones ascend.
    Source: Chen, Yu, Fritz, RelaxLoss (ICLR 2022), algorithm 1, and its published code.
    """

    def loss(batch: Batch) -> Tensor:
        each = cross_entropies(batch.logits, batch.labels)
        plain = each.mean(1)
        if batch.epoch % 2 == 0:
            return (plain - alpha).abs()
        flattened = _to_own_confidence(batch, upper)
        if form == "cifar":
            wrong = batch.logits.argmax(-1) != batch.labels
            flattened = wrong * flattened - each
        return torch.where(plain > alpha, plain, flattened.mean(1))

    return loss


def _to_own_confidence(batch: Batch, upper: float) -> Tensor:
    """Cross-entropy (G,B) to the soft target; nothing is detached, as in the published code."""
    log_p = F.log_softmax(batch.logits, -1)
    label = batch.labels.unsqueeze(-1)
    own = log_p.gather(-1, label).exp().clamp(max=upper)
    rest = (1 - own) / (batch.logits.shape[-1] - 1)
    target = rest.expand_as(log_p).scatter(-1, label, own)
    return -(target * log_p).sum(-1)
