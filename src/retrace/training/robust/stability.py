"""Losses that make ReLUs stable: RS (Xiao et al., ICLR 2019) and NRS (CertifiedPruning, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from retrace.training.robust.intervals import Bounds
from retrace.training.robust.layers import Layers

Weigh = Literal["neurons", "channels"]
# added to the squared scale, so that a pruned norm does not divide by zero; the published code's two values
TINY = {"neurons": 1e-20, "channels": 1e-8}


def stability_loss(layers: Layers, relus: Sequence[Bounds], normalised: bool, weigh: Weigh) -> Tensor:
    """Mean of -tanh(1 + l u), or, where a norm stands before the ReLU, of -tanh(1 + l u / g^2).

    l and u bound what the ReLU reads and g is the norm's scale, through which no gradient flows. ReLUs
    without a norm give the RS term. `neurons` weighs all neurons of all layers alike (the published code's
    adversarial path), `channels` averages batch and space first, then the channels of all layers (its
    certified path).
    """
    terms = []
    for b in relus:
        product = b.lower * b.upper
        if normalised and b.norm is not None:
            norm = layers.net[b.norm]
            assert isinstance(norm, nn.BatchNorm2d)
            product = product / (norm.weight.detach().square() + TINY[weigh]).view(-1, 1, 1)
        loss = -torch.tanh(1 + product)
        if weigh == "neurons":
            terms.append(loss.flatten())
        else:
            terms.append(loss.flatten(2).mean((0, 2)) if loss.dim() == 4 else loss.mean(0))
    return torch.cat(terms).mean()
