"""Confidence penalty."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from retrace.training.fit import Batch, Loss, cross_entropies


def confidence_penalty(beta: float) -> Loss:
    """Cross-entropy minus beta times the prediction's entropy in nats.

    Source: Pereyra et al., Regularizing neural networks by penalizing confident output (2017), section 3.1.
    """

    def loss(batch: Batch) -> Tensor:
        log_p = F.log_softmax(batch.logits, -1)
        entropy = -(log_p.exp() * log_p).sum(-1)
        return (cross_entropies(batch.logits, batch.labels) - beta * entropy).mean(1)

    return loss
