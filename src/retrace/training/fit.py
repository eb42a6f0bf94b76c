"""Training of G models at once, each on its own rows in its own order, with a loss to plug in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from retrace.seeds import derive
from retrace.stage import StageError
from retrace.training.memory import keep_freed_memory
from retrace.training.optim import Optimiser, OptimiserSettings
from retrace.training.shadows import Shadows, Tensors
from retrace.training.steps import seeded


@dataclass(frozen=True)
class Schedule:
    """SGD with momentum and L2 weight decay; the rate falls along a cosine, or tenfold at 50 % and 80 %."""

    epochs: int = 60
    batch: int = 64
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    decay: Literal["cosine", "steps", "constant"] = "cosine"

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0."""
        if self.decay == "cosine":
            return self.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))
        passed = sum(epoch >= share * self.epochs for share in (0.5, 0.8)) if self.decay == "steps" else 0
        return self.learning_rate * 0.1**passed

    def optimiser(self) -> OptimiserSettings:
        """The same for the fused optimiser."""
        return OptimiserSettings("sgd", self.learning_rate, self.weight_decay, self.momentum)

    def lasting(self, epochs: int) -> Schedule:
        """The schedule over another number of epochs."""
        return replace(self, epochs=epochs)


@dataclass(frozen=True)
class Data:
    """Inputs x (N,...) and labels y (N,) that all models share, and the rows (G,n) each trains on.

    `state`: what a loss wants to know of each example beside its label, name -> (G,N,...).
    """

    x: Tensor
    y: Tensor
    rows: Tensor
    state: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """What a loss sees: logits (G,B,C), representations (G,B,D), labels (G,B), epoch, state (G,B,...)."""

    logits: Tensor
    features: Tensor
    labels: Tensor
    epoch: int
    state: Tensors


Loss = Callable[[Batch], Tensor]  # one number a model, (G,)


@dataclass(frozen=True)
class Hold:
    """Entries that training must not move: where `mask` (G,...) is true, parameters stay at `values`."""

    mask: Tensors
    values: Tensors

    @torch.no_grad()
    def apply(self, params: Mapping[str, Tensor]) -> None:
        """Put the held entries back, bit for bit: weight decay and momentum move them without a gradient."""
        for name, p in params.items():
            p.copy_(torch.where(self.mask[name], self.values[name], p))

    def partly(self) -> Hold:
        """The same without the tensors that are held whole: those need no gradient and no step."""
        return Hold({name: mask for name, mask in self.mask.items() if not mask.all()}, self.values)


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each example in nats, (...) for logits (...,C)."""
    flat = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none")
    return flat.view(labels.shape)


def cross_entropy(batch: Batch) -> Tensor:
    """The plain loss: mean cross-entropy of each model, (G,)."""
    return cross_entropies(batch.logits, batch.labels).mean(1)


def orders(numbers: tuple[int, ...], rows: int, epoch: int, seed: int) -> Tensor:
    """A permutation of the rows for each model, (G,rows); it depends on its number, not on its group."""
    drawn = [
        torch.randperm(rows, generator=torch.Generator().manual_seed(derive(seed, "order", n, epoch)))
        for n in numbers
    ]
    return torch.stack(drawn)


def gather(values: Tensor, rows: Tensor) -> Tensor:
    """The rows (G,B) of values (G,N,...), (G,B,...)."""
    return values[torch.arange(len(rows), device=rows.device)[:, None], rows]


def fit(
    models: Shadows,
    data: Data,
    loss: Loss,
    schedule: Schedule,
    seed: int,
    hold: Hold | None = None,
    stop_after: int | None = None,
    each_epoch: Callable[[int], None] | None = None,
) -> None:
    """Train the models in place; the same seed gives the same weights, up to rounding whatever the grouping.

    `hold` freezes entries, `stop_after` ends the schedule early, `each_epoch` is called after an epoch
    with its number from 1. StageError naming the models when a loss is not finite.
    """
    keep_freed_memory()
    device = models.device
    if hold is not None:
        hold.apply(models.params)
        hold = hold.partly()
    moving = models.params if hold is None else {name: models.params[name] for name in hold.mask}
    optimiser = Optimiser(schedule.optimiser(), moving.values())
    count = data.rows.shape[1]
    with _only(models, moving), seeded(derive(seed, "dropout", models.numbers[0]), device):
        for epoch in range(min(schedule.epochs, stop_after or schedule.epochs)):
            optimiser.lr = schedule.rate(epoch)
            shuffled = data.rows.gather(1, orders(models.numbers, count, epoch, seed).to(device))
            for rows in torch.split(shuffled, schedule.batch, 1):
                optimiser.zero_grad()
                logits, features = models.forward(data.x[rows], train=True)
                state = {name: gather(values, rows) for name, values in data.state.items()}
                losses = loss(Batch(logits, features, data.y[rows], epoch, state))
                losses.sum().backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                if hold is not None:
                    hold.apply(moving)
            _check_finite(losses.detach(), models, epoch)
            if each_epoch is not None:
                each_epoch(epoch + 1)


@contextmanager
def _only(models: Shadows, moving: Mapping[str, Tensor]) -> Iterator[None]:
    """Gradients for the parameters named in `moving` alone, inside the block."""
    still = [p for name, p in models.params.items() if name not in moving]
    for p in still:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in still:
            p.requires_grad_(True)


def _check_finite(losses: Tensor, models: Shadows, epoch: int) -> None:
    bad = (~torch.isfinite(losses)).nonzero().flatten().tolist()
    if bad:
        names = ", ".join(str(models.numbers[i]) for i in bad[:5])
        line = f"training: the loss of model {names} is not finite in epoch {epoch + 1}"
        raise StageError(f"{line}; lower learning_rate")
