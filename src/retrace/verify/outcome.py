"""What a verification may spend, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Status = Literal["verified", "falsified", "unknown", "misclassified"]


@dataclass(frozen=True)
class Limits:
    """What one image may cost, and how the search goes about it.

    `domains` bounded per image makes a run repeatable; `seconds` (CPU, its share of every batch) does not and
    is off unless given. `batch` domains are split together; `iterations` of optimisation for each domain,
    `first` for each margin before any split, `refine` for the bounds of hidden neurons (0: plain CROWN), in
    at most a quarter of `seconds`;
    `candidates` neurons of each score are tried before a split. `steps`, `restarts` and `seed`: the attack's.
    """

    domains: int = 2000
    seconds: float | None = None
    batch: int = 64
    iterations: int = 20
    first: int = 50
    refine: int = 10
    candidates: int = 3
    steps: int = 50
    restarts: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch", "candidates"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: give 1 or more")
        for name in ("domains", "iterations", "first", "refine", "steps", "restarts"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}: give 0 or more")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds is {self.seconds}: give a time above 0, or None for no limit")


@dataclass(frozen=True)
class Outcome:
    """The verdict on one image.

    `example` (*input_shape, float64) is there for "falsified" alone; `bound` is the smallest lower bound of a
    margin still standing (-inf where none was computed, above 0 for "verified"); `domains` were bounded after
    the first bounds; `seconds` is CPU time, batches shared out by domains.
    """

    status: Status
    example: Tensor | None
    bound: float
    domains: int
    seconds: float
