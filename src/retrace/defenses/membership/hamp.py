"""HAMP: train towards high-entropy labels, and let out only the order of the outputs."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from retrace.seeds import derive
from retrace.training.fit import Batch, Loss
from retrace.training.shadows import Shadows

STEP = 0.01


def soft_label(gamma: float, classes: int) -> float:
    """The label's probability in HAMP's soft labels: lowered by 0.01 until their entropy is gamma ln C."""
    for i in range(1, round(1 / STEP) + 1):
        top = 1 - i * STEP
        rest = (1 - top) / (classes - 1)
        entropy = -(top * math.log(top) if top > 0 else 0.0) - (classes - 1) * rest * math.log(rest)
        if entropy >= gamma * math.log(classes) or top <= 1 / classes:
            return max(top, 1 / classes)
    return 1 / classes


def hamp_loss(gamma: float, alpha: float, classes: int) -> Loss:
    """KL divergence of the prediction from the soft label, averaged over batch and classes, less entropy.

    That average (over classes too, as in the published code) is the scale that alpha refers to.
    Source: Chen and Pattabiraman, Overconfidence is a dangerous thing (NDSS 2024), sections IV-B and IV-C.
    """
    top = soft_label(gamma, classes)
    rest = (1 - top) / (classes - 1)

    def loss(batch: Batch) -> Tensor:
        log_p = F.log_softmax(batch.logits, -1)
        target = torch.full_like(log_p, rest).scatter(-1, batch.labels.unsqueeze(-1), top)
        divergence = (target * (target.log() - log_p)).mean((1, 2))
        entropy = -(log_p.exp() * log_p).sum(-1).mean(1)
        return divergence - alpha * entropy

    return loss


@torch.no_grad()
def rewrite(
    models: Shadows, logits: Tensor, shape: tuple[int, ...], ends: tuple[float, float], seed: int
) -> Tensor:
    """Outputs (G,N,C) with the values of outputs on random inputs, in the order of the true ones.

    Each vector of log-probabilities takes, rank by rank, the sorted ones that its model gives for an input
    of that shape drawn evenly between `ends`; so only the ranking of the classes survives.
    Source: Chen and Pattabiraman (NDSS 2024), section IV-D.
    """
    draw = torch.Generator().manual_seed(derive(seed, "hamp"))
    noise = ends[0] + (ends[1] - ends[0]) * torch.rand((logits.shape[1], *shape), generator=draw)
    values = F.log_softmax(models.predict(noise.to(logits.device))[0], -1).sort(-1).values
    return values.gather(-1, logits.argsort(stable=True, dim=-1).argsort(-1))
