"""Blocks in which a walk looks at columns; free of torch, so that planning is quick."""

from __future__ import annotations

from retrace.compress.weights.names import Pattern

BLOCK, PART = 128, 32  # a part of a block is seen whole, with all earlier errors in it


def check_walked(kept: Pattern) -> Pattern:
    """Return the pattern; ValueError unless it divides a part, so that none is cut in two."""
    if PART % kept.of:
        fitting = ", ".join(str(n) for n in range(2, PART + 1) if PART % n == 0)
        raise ValueError(
            f"pattern {kept.keep}:{kept.of}: SparseGPT walks in parts of {PART} inputs, which {kept.of} "
            f"does not divide; take a pattern of {fitting}"
        )
    return kept
