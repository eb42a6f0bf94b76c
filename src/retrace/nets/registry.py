"""Networks by name."""

from __future__ import annotations

import torch
from torch import nn

from retrace.errors import unknown
from retrace.nets import small, vision
from retrace.stage import StageError

BUILDERS = {"cnn": small.cnn, "mlp": small.mlp, **vision.BUILDERS}


def build(name: str, in_channels: int, size: int, classes: int, seed: int) -> nn.Module:
    """The network `name` for square images, its weights drawn from `seed` alone.

    Input of the network: (N, in_channels, size, size) float32 in [-1, 1]; output (N, classes) logits.
    Leaves the global random state as it was. StageError if no network has that name.
    """
    if name not in BUILDERS:
        raise StageError(unknown("network", name, BUILDERS))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BUILDERS[name](in_channels, size, classes)
