"""Which pruners there are; free of torch, so that planning is quick."""

from __future__ import annotations

from retrace.errors import unknown

UNSTRUCTURED = ("imp", "random", "shuffled", "snip", "taylor", "hydra")
STRUCTURED = ("slim", "struct-lth")
DENSE = ("none", "narrow", "narrow-refilled")
PRUNERS = (*DENSE, *UNSTRUCTURED, *STRUCTURED)


def check_pruner(name: str) -> str:
    """Return the name; ValueError with the nearest one when no pruner has it."""
    if name not in PRUNERS:
        raise ValueError(unknown("pruner", name, PRUNERS))
    return name


def check_share(kept: float) -> float:
    """Return a kept share; ValueError unless it lies in (0, 1]."""
    if not 0 < kept <= 1:
        raise ValueError(f"kept share {kept:g}: must be above 0 and at most 1")
    return kept
