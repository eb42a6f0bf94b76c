"""Losses that make ReLUs stable: RS (Xiao et al., ICLR 2019) and NRS (CertifiedPruning, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from retrace.training.robust.intervals import Bounds
from retrace.training.robust.layers import Layers

TINY = 1e-8  # added to the squared scale, so that a pruned norm does not divide by zero


def stability_loss(layers: Layers, relus: Sequence[Bounds], normalised: bool) -> Tensor:
    """Mean over channels of -tanh(1 + l u), or, where a norm stands before the ReLU, of -tanh(1 + l u / g^2).

    l and u bound what the ReLU reads and g is the norm's scale, through which no gradient flows. Batch and
    space are averaged first, then the channels of all layers alike. ReLUs without a norm give the RS term.
    """
    terms = []
    for b in relus:
        product = b.lower * b.upper
        if normalised and b.norm is not None:
            norm = layers.net[b.norm]
            assert isinstance(norm, nn.BatchNorm2d)
            product = product / (norm.weight.detach().square() + TINY).view(-1, 1, 1)
        loss = -torch.tanh(1 + product)
        terms.append(loss.flatten(2).mean((0, 2)) if loss.dim() == 4 else loss.mean(0))
    return torch.cat(terms).mean()
