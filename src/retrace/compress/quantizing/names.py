"""Which quantizers there are, and what bits they take; free of torch, so that planning is quick."""

from __future__ import annotations

from typing import Literal

LEAST, MOST = 2, 16  # a symmetric grid of one bit has no level but zero
Ranges = Literal["minmax", "percentile", "mse"]
Sampling = Literal["plain", "over", "under", "balanced"]
Weighting = Literal["none", "inverse", "effective"]


def check_bits(bits: int) -> int:
    """Return the number of bits; ValueError unless there is such a grid."""
    if not LEAST <= bits <= MOST:
        raise ValueError(f"bits {bits}: must be {LEAST} to {MOST}, or null for full precision")
    return bits
