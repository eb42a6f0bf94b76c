"""The order of rows and the learning rate of a training run; free of torch."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from pydantic import Field

from retrace.strict import Strict


class Settings(Strict):
    """AdamW: `rate` rises linearly over the share `warmup` of all steps, then falls as a cosine to 0."""

    epochs: int = Field(ge=1)
    batch: int = Field(ge=1)
    rate: float = Field(gt=0)
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps")
    decay: float = Field(0.0, ge=0)


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


def schedule(count: int, settings: Settings, seed: int) -> Iterator[tuple[float, list[int]]]:
    """Learning rate and indices of the rows of every step."""
    plan = orders(count, settings, seed)
    for step, batch in enumerate(plan):
        yield rate_at(step, len(plan), settings), batch


def rate_at(step: int, steps: int, settings: Settings) -> float:
    """Learning rate of step 0..steps-1."""
    rising = math.ceil(settings.warmup * steps)
    if step < rising:
        return settings.rate * (step + 1) / rising
    return settings.rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
