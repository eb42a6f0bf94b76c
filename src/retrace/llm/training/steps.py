"""The order of rows and the learning rate of a training run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Settings:
    """AdamW: `rate` rises linearly over the share `warmup` of all steps, then falls as a cosine to 0."""

    epochs: int
    batch: int
    rate: float
    warmup: float = 0.1
    decay: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings that train nothing."""
        if min(self.epochs, self.batch) < 1 or self.rate <= 0 or not 0 <= self.warmup < 1 or self.decay < 0:
            raise ValueError(
                f"{self}: epochs and batch are at least 1, rate above 0, warmup below 1; none is negative"
            )


def orders(count: int, settings: Settings, seed: int) -> list[list[int]]:
    """Indices of the rows of every step; each epoch is a permutation of its own."""
    if count < 1:
        raise ValueError("there is no row to train on")
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(settings.epochs):
        order = rng.permutation(count).tolist()
        made += [order[i : i + settings.batch] for i in range(0, count, settings.batch)]
    return made


def rate_at(step: int, steps: int, settings: Settings) -> float:
    """Learning rate of step 0..steps-1."""
    rising = math.ceil(settings.warmup * steps)
    if step < rising:
        return settings.rate * (step + 1) / rising
    return settings.rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
