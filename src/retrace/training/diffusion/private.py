"""DP-SGD for a diffusion model: one gradient an image, clipped, summed and noised."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from retrace.nets.diffusion.model import Diffuser
from retrace.nets.diffusion.prompts import NULL, photo_of
from retrace.nets.diffusion.schedule import Schedule
from retrace.seeds import derive
from retrace.training.diffusion.fit import Pictures, Recipe, averaged, check_finite
from retrace.training.diffusion.noising import velocity_errors
from retrace.training.optim import Optimiser, OptimiserSettings


class _Errors(torch.nn.Module):
    """The loss as a module's call, which `functional_call` can take weights for."""

    def __init__(self, model: Diffuser, schedule: Schedule) -> None:
        super().__init__()
        self.model, self.schedule = model, schedule

    def forward(self, x: Tensor, noise: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        context = self.model.text(tokens)
        return velocity_errors(self.model, self.schedule, x, noise, t, context).sum()


def fit_privately(
    model: Diffuser,
    schedule: Schedule,
    data: Pictures,
    recipe: Recipe,
    noise_multiplier: float,
    bound: float,
    seed: int,
) -> Diffuser:
    """Train in place by Poisson batches of `recipe.batch` images on average; the averaged copy.

    Each image's gradient is clipped to the norm `bound`; the sum gets Gaussian noise of `noise_multiplier`
    bounds and is divided by `recipe.batch`. Each image has one step and noise a visit. ValueError for a batch
    beyond the images, StageError when the loss is not finite.
    Sources: Abadi et al. (CCS 2016); Dockhorn et al. (TMLR 2023) for diffusion models.
    """
    rate = recipe.batch / len(data.x)
    if rate > 1:
        raise ValueError(f"batch {recipe.batch}: only {len(data.x)} images to draw from; lower it")
    rng = torch.Generator().manual_seed(derive(seed, "diffusion", "private"))
    optimiser = Optimiser(OptimiserSettings(weight_decay=0.0), model.parameters())
    average = [p.detach().clone() for p in optimiser.params]
    errors = _Errors(model, schedule)
    names = [name for name, _ in errors.named_parameters()]

    def loss(weights: dict[str, Tensor], *one: Tensor) -> tuple[Tensor, Tensor]:
        value = functional_call(errors, weights, tuple(part.unsqueeze(0) for part in one))
        return value, value.detach()

    each = vmap(grad(loss, has_aux=True), (None, 0, 0, 0, 0))
    losses: list[Tensor] = []
    for step in range(recipe.steps):
        optimiser.lr = recipe.rate_at(step)
        rows = torch.nonzero(torch.rand(len(data.x), generator=rng) < rate).flatten().to(data.x.device)
        sums = [torch.zeros_like(p) for p in optimiser.params]
        if len(rows):
            weights = {name: p.detach() for name, p in errors.named_parameters()}
            with sdpa_kernel(SDPBackend.MATH):  # the fused kernels know no batch of gradients
                grads, found = each(weights, *_visit(data, rows, schedule, recipe, rng))
            parts = [grads[name] for name in names]
            norms = torch.stack([g.flatten(1).square().sum(1) for g in parts]).sum(0).sqrt()
            factor = (bound / norms.clamp(min=1e-12)).clamp(max=1.0)
            sums = [torch.tensordot(factor, g, 1) for g in parts]
            losses.append(found.mean())
            check_finite(losses[-1:], step + 1)
        for p, total in zip(optimiser.params, sums, strict=True):
            drawn = torch.randn(p.shape, generator=rng).to(p)
            p.grad = (total + noise_multiplier * bound * drawn) / recipe.batch
        optimiser.step()
        share = min(recipe.ema, (step + 1) / (step + 10))
        torch._foreach_lerp_(average, [p.detach() for p in optimiser.params], 1 - share)
    return averaged(model, average)


def _visit(
    data: Pictures, rows: Tensor, schedule: Schedule, recipe: Recipe, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images, noise, steps and prompts of the drawn rows."""
    x = data.x[rows]
    t = torch.randint(schedule.steps, (len(rows),), generator=rng).to(x.device)
    noise = torch.randn(x.shape, generator=rng).to(x)
    tokens = photo_of(data.domains[rows])
    tokens[(torch.rand(len(rows), generator=rng) < recipe.dropout).to(x.device)] = NULL
    return x, noise, t, tokens
