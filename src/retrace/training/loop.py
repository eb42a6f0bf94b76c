"""Supervised training of one network on images held in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from retrace.training.batches import epochs, steps_per_epoch
from retrace.training.optim import OptimiserSettings
from retrace.training.steps import Stepper, Stopwatch, seeded

Progress = Callable[[int, float], None]


@dataclass(frozen=True)
class TrainSettings:
    """How to train: optimiser, images a batch, number of passes over the data."""

    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    batch: int = 32
    epochs: int = 15


@dataclass(frozen=True)
class History:
    """Mean training loss of each epoch, steps taken, and (not deterministic) seconds spent."""

    losses: list[float]
    steps: int
    seconds: float
    cpu_seconds: float


def train(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    settings: TrainSettings,
    seed: int,
    progress: Progress | None = None,
) -> History:
    """Train `net` in place with cross-entropy; same seed, same machine: the same weights, bit for bit.

    `x` (N, C, H, W) float32, `y` (N,) int64 on the network's device; `seed` fixes the order of the
    images and dropout; `progress` is called after each epoch with its number (from 1) and mean loss.
    Leaves the network in evaluation mode. StageError when a loss is not finite.
    """
    per_epoch = steps_per_epoch(len(y), settings.batch)
    stepper, watch, losses = Stepper(net, settings.optimiser), Stopwatch(), []
    with seeded(seed, x.device):
        stream = epochs(x, y, settings.batch, seed)
        for epoch in range(settings.epochs):
            stepper.optimiser.lr = settings.optimiser.lr_at(epoch)
            with watch:
                stepper.run(next(stream))
            stepper.check_finite(epoch * per_epoch, per_epoch)
            losses.append(float(torch.stack(stepper.losses[-per_epoch:]).mean()))
            if progress is not None:
                progress(epoch + 1, losses[-1])
    net.eval()
    return History(losses, settings.epochs * per_epoch, watch.seconds, watch.cpu_seconds)
