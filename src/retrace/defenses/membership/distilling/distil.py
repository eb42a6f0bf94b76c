"""Distillation: train on what other models say of an example."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from retrace.training.fit import Batch, Loss


def distillation(temperature: float) -> Loss:
    """KL divergence from the soft labels in the batch's state `teacher` (G,B,C, probabilities).

    The student's prediction is softened by the same temperature; times its square, as Hinton et al. (2015).
    """

    def loss(batch: Batch) -> Tensor:
        log_p = F.log_softmax(batch.logits / temperature, -1)
        teacher = batch.state["teacher"]
        divergence = (teacher * (teacher.clamp(min=1e-12).log() - log_p)).sum(-1)
        return temperature**2 * divergence.mean(1)

    return loss
