"""Label smoothing."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from retrace.training.fit import Batch, Loss, cross_entropies


def label_smoothing(epsilon: float) -> Loss:
    """Cross-entropy to (1 - epsilon) of the label and epsilon spread evenly over all classes.

    Source: Szegedy et al., Rethinking the Inception architecture (CVPR 2016), section 7.
    """

    def loss(batch: Batch) -> Tensor:
        uniform = -F.log_softmax(batch.logits, -1).mean(-1)
        plain = cross_entropies(batch.logits, batch.labels)
        return ((1 - epsilon) * plain + epsilon * uniform).mean(1)

    return loss
