"""The noise schedule of a diffusion model, and the closed forms that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

Betas = Literal["linear", "scaled_linear"]


@dataclass(frozen=True)
class Schedule:
    """T steps whose noise beta grows from `first` to `last`: linearly (DDPM), or linearly in its root (SD).

    Step 0 has the least noise. Sources: Ho, Jain and Abbeel (NeurIPS 2020); Rombach et al. (CVPR 2022).
    """

    steps: int = 1000
    first: float = 1e-4
    last: float = 0.02
    kind: Betas = "linear"

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise ValueError(f"schedule: {self.steps} steps are too few; give at least 2")
        if not 0 < self.first <= self.last < 1:
            raise ValueError(f"schedule: betas grow within (0, 1); got {self.first:g} to {self.last:g}")
        if self.kind not in ("linear", "scaled_linear"):
            raise ValueError(f"schedule: {self.kind!r} is unknown; use linear or scaled_linear")

    @cached_property
    def alphas(self) -> Tensor:
        """Products of 1 - beta up to each step, float64 (T,): the share of the image's variance left."""
        if self.kind == "linear":
            betas = torch.linspace(self.first, self.last, self.steps, dtype=torch.float64)
        else:
            ends = (self.first**0.5, self.last**0.5)
            betas = torch.linspace(*ends, self.steps, dtype=torch.float64).square()
        return torch.cumprod(1 - betas, 0)

    def check(self, t: int) -> int:
        """The step itself; ValueError for one outside the schedule."""
        if not 0 <= t < self.steps:
            raise ValueError(
                f"step {t} lies outside the schedule's 0 to {self.steps - 1}; choose one of these"
            )
        return t

    def alpha(self, t: int) -> float:
        """Share of the image's variance left at step t; 1 for t = -1, the image itself."""
        return 1.0 if t == -1 else float(self.alphas[self.check(t)])

    def noised(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Images x (B,C,H,W) at steps t (B,) with that noise: sqrt(alpha) x + sqrt(1 - alpha) noise."""
        share = self.alphas.to(x.device)[t].to(x.dtype).view(-1, *[1] * (x.ndim - 1))
        return share.sqrt() * x + (1 - share).sqrt() * noise

    def image(self, x: Tensor, noise: Tensor, t: int) -> Tensor:
        """The image that x at step t stands for if `noise` is what is in it."""
        share = self.alpha(t)
        found: Tensor = (x - (1 - share) ** 0.5 * noise) / share**0.5
        return found

    def moved(self, image: Tensor, noise: Tensor, t: int) -> Tensor:
        """The image at step t with that noise; t = -1: the image itself. One DDIM step ends here."""
        share = self.alpha(t)
        found: Tensor = share**0.5 * image + (1 - share) ** 0.5 * noise
        return found

    def ladder(self, count: int) -> list[int]:
        """`count` steps, from the most noise down, evenly spaced ("trailing": the last step is among them).

        ValueError for more steps than the schedule has. Source: Lin et al. (WACV 2024), table 2.
        """
        if not 1 <= count <= self.steps:
            raise ValueError(
                f"{count} sampling steps: the schedule has {self.steps}; choose 1 to {self.steps}"
            )
        return [round(self.steps - k * self.steps / count) - 1 for k in range(count)]
