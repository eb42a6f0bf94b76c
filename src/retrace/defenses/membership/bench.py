"""What every defence starts from and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from retrace.nets.targets import Head
from retrace.training.fit import Data, Schedule
from retrace.training.shadows import Shadows


@dataclass(frozen=True)
class Bench:
    """G models to defend: the pool they share, the rows (G,n) each trains on, and their undefended selves.

    `x` (N,...), `y` (N,): the pool; `reference_x`, `reference_y`: examples outside pool, test set and
    population that a defender may use; `start`: the models before training; `trained`: the same after
    plain training by `schedule`; `fresh` makes untrained models with another head, from the same seeds;
    `memo`: scores and probes that methods of one job share.
    """

    x: Tensor
    y: Tensor
    rows: Tensor
    reference_x: Tensor
    reference_y: Tensor
    classes: int
    schedule: Schedule
    seed: int
    start: Shadows
    trained: Shadows
    fresh: Callable[[Head], Shadows]
    memo: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> Data:
        """The members of each model."""
        return Data(self.x, self.y, self.rows)

    def rated(self, learning_rate: float | None) -> Schedule:
        """The schedule, at another learning rate where one is given."""
        return self.schedule if learning_rate is None else replace(self.schedule, learning_rate=learning_rate)


@dataclass(frozen=True)
class Defended:
    """Models that a defence made; `notes` say a number of each (G,), `pictures` is what figures draw."""

    models: Shadows
    notes: dict[str, list[float]] = field(default_factory=dict)
    pictures: dict[str, Any] = field(default_factory=dict)
