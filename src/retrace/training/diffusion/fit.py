"""Train a whole diffusion model: from nothing, or on as fine-tuning does."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from retrace.nets.diffusion.model import Diffuser
from retrace.nets.diffusion.schedule import Schedule
from retrace.seeds import derive
from retrace.stage import StageError
from retrace.training.diffusion.noising import prompts, spread_steps, velocity_errors
from retrace.training.optim import Optimiser, OptimiserSettings

LOOK = 50  # steps between looks at the loss


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: steps, images a batch, Adam's rate, warm-up steps, how the rate falls.

    `dropout`: share of empty prompts; `clip`: of the gradient's norm; `ema`: of averaged weights, 0: none.
    """

    steps: int
    batch: int
    rate: float
    warmup: int = 0
    decay: Literal["cosine", "constant"] = "constant"
    dropout: float = 0.0
    clip: float = 1.0
    ema: float = 0.0

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if self.decay == "constant":
            return self.rate * warm
        return self.rate * warm * (0.05 + 0.475 * (1 + math.cos(math.pi * step / self.steps)))


@dataclass(frozen=True)
class Pictures:
    """Images x (N,C,S,S) in [-1, 1] and their domains (N,), on the model's device."""

    x: Tensor
    domains: Tensor

    def draw(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """`count` of them, with replacement."""
        rows = torch.randint(len(self.x), (count,), generator=rng).to(self.x.device)
        return self.x[rows], self.domains[rows]


def fit(
    model: Diffuser,
    schedule: Schedule,
    data: Pictures,
    recipe: Recipe,
    seed: int,
    *,
    prior: Pictures | None = None,
    keep: Collection[int] = (),
) -> dict[int, Diffuser]:
    """Train `model` in place; copies of it, averaged, after each number of steps in `keep` and the last.

    `prior`: as many of these images a step with their own prompts, whose mean loss counts as much
    (DreamBooth's prior preservation). StageError when the loss is not finite.
    """
    rng = torch.Generator().manual_seed(derive(seed, "diffusion", "fit"))
    optimiser = Optimiser(OptimiserSettings(weight_decay=0.0), model.parameters())
    average = [p.detach().clone() for p in optimiser.params] if recipe.ema else []
    kept: dict[int, Diffuser] = {}
    losses: list[Tensor] = []
    for step in range(recipe.steps):
        optimiser.lr = recipe.rate_at(step)
        parts = [_loss(model, schedule, data, recipe, rng)]
        parts += [_loss(model, schedule, prior, recipe, rng)] if prior else []
        optimiser.zero_grad()
        torch.stack(parts).sum().backward()  # type: ignore[no-untyped-call]
        losses.append(parts[0].detach())
        torch.nn.utils.clip_grad_norm_(optimiser.params, recipe.clip)
        optimiser.step()
        if recipe.ema:
            share = min(recipe.ema, (step + 1) / (step + 10))
            torch._foreach_lerp_(average, [p.detach() for p in optimiser.params], 1 - share)
        if (step + 1) % LOOK == 0 or step + 1 == recipe.steps:
            check_finite(losses[-LOOK:], step + 1)
        if step + 1 in keep or step + 1 == recipe.steps:
            kept[step + 1] = averaged(model, average)
    return kept


def check_finite(losses: list[Tensor], step: int) -> None:
    """StageError unless all of the last losses, up to this step, are numbers."""
    if not bool(torch.stack(losses).isfinite().all()):
        raise StageError(f"diffusion: the loss is no number by step {step}; lower the learning rate")


@torch.no_grad()
def averaged(model: Diffuser, average: list[Tensor]) -> Diffuser:
    """A frozen copy, with the averaged weights if there are any."""
    made = copy.deepcopy(model).requires_grad_(False)
    for own, mean in zip(made.parameters(), average, strict=False):
        own.copy_(mean)
    return made


def _loss(
    model: Diffuser, schedule: Schedule, data: Pictures, recipe: Recipe, rng: torch.Generator
) -> Tensor:
    x, domains = data.draw(recipe.batch, rng)
    t = spread_steps(recipe.batch, schedule.steps, rng).to(x.device)
    noise = torch.randn(x.shape, generator=rng).to(x)
    tokens = prompts(domains, recipe.dropout, rng)
    return velocity_errors(model, schedule, x, noise, t, model.text(tokens)).mean()
