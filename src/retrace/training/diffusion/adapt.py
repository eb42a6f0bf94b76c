"""Train the adapters of many domains in one pass: every domain has its own noise, clipping and batch."""

from __future__ import annotations

import copy
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from retrace.nets.diffusion.adapters import Hyper, LowRank, Words
from retrace.nets.diffusion.model import Diffuser
from retrace.nets.diffusion.prompts import NULL, photo_of
from retrace.nets.diffusion.schedule import Schedule
from retrace.seeds import derive
from retrace.training.diffusion.fit import LOOK, Recipe, check_finite
from retrace.training.diffusion.noising import spread_steps, velocity_errors
from retrace.training.optim import Optimiser, OptimiserSettings


@dataclass
class Adapters:
    """What is trained of a frozen model; any of the three."""

    low_rank: LowRank | None = None
    hyper: Hyper | None = None
    words: Words | None = None

    def parameters(self) -> list[nn.Parameter]:
        """All parameters, each with a row a domain."""
        parts = (self.low_rank, self.hyper, self.words)
        return [p for part in parts if part is not None for p in part.parameters()]

    def copied(self) -> list[Tensor]:
        """The parameters' values now."""
        return [p.detach().clone() for p in self.parameters()]

    @torch.no_grad()
    def restore(self, values: list[Tensor]) -> None:
        """Take these values."""
        for own, value in zip(self.parameters(), values, strict=True):
            own.copy_(value)

    def context(self, model: Diffuser, tokens: Tensor) -> Tensor:
        """Contexts of prompts (D*b,T), with the new words in place of names if there are any."""
        if self.words is None:
            return model.text(tokens)  # type: ignore[no-any-return]
        return model.text.encode(self.words.embedded(model, tokens))


def adapt(
    model: Diffuser,
    adapters: Adapters,
    schedule: Schedule,
    x: Tensor,
    domains: Tensor,
    recipe: Recipe,
    seeds: list[int],
    keep: Collection[int] = (),
) -> dict[int, list[Tensor]]:
    """Train on images x (D,N,C,S,S) of domains (D,), in place; their values after each step in `keep`.

    `recipe.batch` images a domain and step, its draws from its own seed; gradients are clipped domain by
    domain, and Adam works number by number: a domain's result does not depend on which others are trained
    beside it. StageError when a loss is not finite.
    """
    rngs = [torch.Generator().manual_seed(derive(seed, "diffusion", "adapt")) for seed in seeds]
    params = adapters.parameters()
    optimiser = Optimiser(OptimiserSettings(weight_decay=0.0), params)
    kept: dict[int, list[Tensor]] = {}
    losses: list[Tensor] = []
    with ExitStack() as stack:
        for part in (adapters.low_rank, adapters.hyper):
            if part is not None:
                stack.enter_context(part.attached())
        for step in range(recipe.steps):
            optimiser.lr = recipe.rate_at(step)
            batch, t, noise, tokens = _draw(x, domains, schedule, recipe, rngs)
            errors = velocity_errors(model, schedule, batch, noise, t, adapters.context(model, tokens))
            each = errors.view(len(domains), -1).mean(1)
            optimiser.zero_grad()
            each.sum().backward()  # type: ignore[no-untyped-call]
            _clip(params, recipe.clip)
            optimiser.step()
            losses.append(each.detach())
            if (step + 1) % LOOK == 0 or step + 1 == recipe.steps:
                check_finite(losses[-LOOK:], step + 1)
            if step + 1 in keep or step + 1 == recipe.steps:
                kept[step + 1] = adapters.copied()
    return kept


def _draw(
    x: Tensor, domains: Tensor, schedule: Schedule, recipe: Recipe, rngs: list[torch.Generator]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images (D*b,C,S,S), steps, noise and prompts: of each domain from its own generator."""
    b, parts = recipe.batch, []
    for own, rng in zip(x, rngs, strict=True):
        rows = torch.randint(len(own), (b,), generator=rng).to(own.device)
        t = spread_steps(b, schedule.steps, rng)
        noise = torch.randn(b, *own.shape[1:], generator=rng)
        parts.append((own[rows], t, noise, torch.rand(b, generator=rng) < recipe.dropout))
    images, t, noise, empty = (torch.cat(part) for part in zip(*parts, strict=True))
    tokens = photo_of(domains.repeat_interleave(b))
    tokens[empty.to(tokens.device)] = NULL
    form = torch.channels_last
    return images.contiguous(memory_format=form), t.to(x.device), noise.to(images), tokens


@torch.no_grad()
def _clip(params: list[nn.Parameter], most: float) -> None:
    """Scale the gradients of each domain, their first axis, to a norm of at most `most`."""
    grads = [p.grad for p in params if p.grad is not None]
    norms = torch.stack([g.flatten(1).square().sum(1) for g in grads]).sum(0).sqrt()
    factor = (most / (norms + 1e-6)).clamp(max=1.0)
    for g in grads:
        g.mul_(factor.view(-1, *[1] * (g.ndim - 1)))


def frozen(model: Diffuser) -> Diffuser:
    """A copy whose weights take no gradient."""
    return copy.deepcopy(model).requires_grad_(False)
