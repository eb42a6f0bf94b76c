"""Robust training of one network on images held in memory, with masks that keep pruned weights at zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from retrace.stage import StageError
from retrace.training.batches import epochs, steps_per_epoch
from retrace.training.memory import keep_freed_memory
from retrace.training.optim import Optimiser, OptimiserSettings
from retrace.training.robust.augment import augmented
from retrace.training.robust.layers import Layers
from retrace.training.robust.losses import Example, robust_loss
from retrace.training.robust.ramp import Ramp
from retrace.training.robust.settings import RobustSettings
from retrace.training.steps import seeded

Masks = Mapping[str, Tensor]  # name of a parameter -> True where it is kept, of its shape


def ramp_of(settings: RobustSettings, steps: int) -> Ramp:
    """The radius by step, for epochs of so many steps."""
    return Ramp(settings.epsilon, settings.ramp_start * steps, settings.ramp_length * steps)


def optimiser_of(settings: RobustSettings, params: list[nn.Parameter]) -> Optimiser:
    """A new optimiser for these parameters."""
    rates = tuple((at, settings.learning_rate * 0.1 ** (n + 1)) for n, at in enumerate(settings.drops))
    chosen = OptimiserSettings(
        settings.optimizer, settings.learning_rate, settings.weight_decay, schedule=rates
    )
    return Optimiser(chosen, params)


@torch.no_grad()
def apply_masks(net: nn.Module, masks: Masks) -> None:
    """Set pruned weights to zero."""
    params = dict(net.named_parameters())
    for name, mask in masks.items():
        params[name].mul_(mask)


def train_robust(
    net: nn.Sequential,
    x: Tensor,
    y: Tensor,
    settings: RobustSettings,
    seed: int,
    masks: Masks | None = None,
) -> list[float]:
    """Train `net` in place and return the mean loss of each epoch; pruned weights are zero afterwards.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64, on the network's device. The same seed on one machine
    gives the same weights. Leaves the network in evaluation mode. StageError when a loss is not finite.
    """
    keep_freed_memory()
    masks = masks or {}
    x = x.contiguous(memory_format=torch.channels_last)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    apply_masks(net, masks)
    optimiser = optimiser_of(settings, [p for p in net.parameters() if p.requires_grad])
    per_epoch = steps_per_epoch(len(y), settings.batch)
    ramp, layers = ramp_of(settings, per_epoch), Layers(net, batch=True, track=settings.mode == "certified")
    generator = torch.Generator().manual_seed(seed)
    means = []
    with seeded(seed, x.device), no_denormals():
        stream = epochs(x, y, settings.batch, seed)
        for epoch in range(settings.epochs):
            optimiser.lr = optimiser.settings.lr_at(epoch)
            losses = []
            for step, (images, labels) in enumerate(next(stream)):
                images = augmented(images, settings.augment, generator)
                radius = ramp.at(epoch * per_epoch + step)
                loss = robust_loss(layers, Example(images, labels, radius, generator), settings)
                _step(loss, optimiser, settings.clip)
                apply_masks(net, masks)
                losses.append(loss.detach())
            means.append(_mean(torch.stack(losses), epoch))
    net.eval()
    return means


@contextmanager
def no_denormals() -> Iterator[None]:
    """Numbers below 1e-38 count as zero inside: losses that saturate make many, and they are slow."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _step(loss: Tensor, optimiser: Optimiser, clip: float) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = optimiser.gradients()
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, (clip / (norm + 1e-6)).clamp(max=1.0))
    optimiser.step()


def _mean(losses: Tensor, epoch: int) -> float:
    bad = (~torch.isfinite(losses)).nonzero()
    if len(bad):
        step = int(bad[0])
        raise StageError(
            f"robust training: loss is {float(losses[step])} at epoch {epoch + 1}, step {step + 1} of "
            f"{len(losses)}; lower the learning rate or lengthen the ramp of epsilon"
        )
    return float(losses.mean())
