"""When retraining may stop: a target accuracy, two cut-offs below it, and a cap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE = 1e-9  # so that 0.85 - 0.01 compares as 0.84 does


@dataclass(frozen=True)
class StopRule:
    """The stop rule of retraining, as the PreIndex and RESQUE code has it.

    `target`: accuracy in [0, 1] that ends retraining (PASS). `cutoffs`: pairs (d, e): once accuracy
    has been at least target - d, stop after more than e further epochs (PASS_1, PASS_2 by position).
    `max_epochs`: the cap (CAP). A target above 1 can never be met, which is a way to train to the cap.
    Errors: ValueError for a cap that is not positive and finite or for negative cut-offs.
    """

    target: float
    max_epochs: float
    cutoffs: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.max_epochs) and self.max_epochs > 0):
            raise ValueError(f"max_epochs {self.max_epochs}: must be a positive number of epochs")
        if not math.isfinite(self.target):
            raise ValueError(f"target {self.target}: must be a number")
        for d, e in self.cutoffs:
            if not (d >= 0 and e >= 0):
                raise ValueError(f"cut-off ({d}, {e}): margin and epochs must not be negative")

    def decide(self, epochs: Sequence[float], accuracies: Sequence[float]) -> str | None:
        """PASS, PASS_1, PASS_2 or CAP at the last of the checks so far, None to go on.

        `epochs`: when the checks were made, increasing, in epochs (fractions allowed);
        `accuracies`: what they found, same length. None as long as there was no check.
        """
        if not epochs:
            return None
        now = epochs[-1]
        if accuracies[-1] >= self.target - TOLERANCE:
            return "PASS"
        for number, (d, e) in enumerate(self.cutoffs, 1):
            since = next(
                (t for t, a in zip(epochs, accuracies, strict=True) if a >= self.target - d - TOLERANCE), None
            )
            if since is not None and now - since > e + TOLERANCE:
                return f"PASS_{number}"
        return "CAP" if now >= self.max_epochs - TOLERANCE else None
