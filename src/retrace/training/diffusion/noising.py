"""What a diffusion model is trained on: steps, noise and prompts, and the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.nets.diffusion.model import Diffuser
from retrace.nets.diffusion.prompts import NULL, photo_of
from retrace.nets.diffusion.schedule import Schedule


def spread_steps(count: int, steps: int, rng: torch.Generator) -> Tensor:
    """`count` steps (count,), one from each of as many equal parts of the schedule, in order.

    Each alone is uniform; together they vary less than independent ones (Kingma et al., NeurIPS 2021, I.1).
    """
    places = (torch.arange(count) + torch.rand(count, generator=rng)) / count
    return (places * steps).long().clamp_(max=steps - 1)


def prompts(domains: Tensor, dropout: float, rng: torch.Generator) -> Tensor:
    """Prompts of domains (B,), a share `dropout` of them empty, so that guidance has what to steer from."""
    tokens = photo_of(domains)
    tokens[torch.rand(len(domains), generator=rng) < dropout] = NULL
    return tokens


def velocity_errors(
    model: Diffuser, schedule: Schedule, x: Tensor, noise: Tensor, t: Tensor, context: Tensor
) -> Tensor:
    """Mean squared error of the predicted velocity of each image, (B,).

    It is the error of the noise over the image's share of the variance: the paper's loss, but for weights by
    step that count the noisiest steps more. With the plain weights so few steps as ours give blots.
    Source: Salimans and Ho (ICLR 2022), section 4.
    """
    found = model.velocity(schedule.noised(x, noise, t), t, context)
    share = schedule.alphas.to(x.device)[t].to(x.dtype).view(-1, 1, 1, 1)
    wanted = share.sqrt() * noise - (1 - share).sqrt() * x
    return (found - wanted).square().flatten(1).mean(1)
