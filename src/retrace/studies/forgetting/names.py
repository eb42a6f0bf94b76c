"""Names of the study's networks, which stages write and the table reads; free of torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrace.studies.forgetting.params import Measure

TRAINED = ("start", "kept", "norms", "others")  # before training, whole, without norms, without others
METHODS = ("rounding", "pruning", "noise")


def copies(params: Measure) -> dict[str, list[str]]:
    """Names of the damaged copies of each kind, from little damage to much."""
    return {
        "rounding": [f"round_{levels}" for levels in params.levels],
        "pruning": [f"prune_{permille(share)}" for share in params.pruned],
        "noise": [f"noise_{permille(size)}" for size in params.noise],
    }


def permille(share: float) -> int:
    """A share as it stands in names."""
    return round(1000 * share)
