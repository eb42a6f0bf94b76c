"""A text-to-image diffusion model: a UNet, the encoder of its prompts, and the noise that both predict."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from retrace.nets.diffusion.prompts import FIRST, TextEncoder
from retrace.nets.diffusion.schedule import Schedule
from retrace.nets.diffusion.unet import UNet


@dataclass(frozen=True)
class Shape:
    """Channels and side of images, widths of the levels, width of a prompt, domains there are words for."""

    channels: int
    side: int
    widths: tuple[int, ...]
    context: int
    domains: int
    patch: int = 2
    heads: int = 4

    @property
    def image(self) -> tuple[int, int, int]:
        """Shape of an image."""
        return self.channels, self.side, self.side


class Diffuser(nn.Module):
    """The UNet gives the velocity of a noised image; the noise follows from it and the image.

    Source: Salimans and Ho (ICLR 2022), appendix D.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.unet = UNet(shape.channels, shape.side, shape.widths, shape.context, shape.patch, shape.heads)
        self.text = TextEncoder(FIRST + shape.domains, shape.context)

    def velocity(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """sqrt(a) noise - sqrt(1 - a) image of x (B,C,S,S) at steps t (B,), context (B,T,E)."""
        found: Tensor = self.unet(x, t, context)
        return found

    def noise(self, schedule: Schedule, x: Tensor, t: int, context: Tensor) -> Tensor:
        """The noise in x (B,C,S,S) at step t, for one prompt's context (1,T,E) or one for each image."""
        share = schedule.alpha(t)
        at = torch.full((len(x),), t, device=x.device)
        v = self.velocity(x, at, context.expand(len(x), -1, -1))
        noise: Tensor = share**0.5 * v + (1 - share) ** 0.5 * x
        return noise


def build(shape: Shape, seed: int) -> Diffuser:
    """An untrained model, its weights drawn from `seed`; leaves the global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Diffuser(shape)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
