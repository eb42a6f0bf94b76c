"""The axis of a claim's row: its limits and its ticks."""

from __future__ import annotations

import math

from retrace.claims.record import ClaimVerdict
from retrace.plot.words import ends

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def limits(claim: ClaimVerdict) -> tuple[float, float]:
    """The axis of a claim's row: 0 to 1 or -1 to 1 where the numbers fit and take a third of it or more.

    Else the numbers with a margin: small differences would lie on each other.
    """
    values = [claim.measured, *ends(claim.interval), *(baseline.measured for baseline in claim.baselines)]
    values += [claim.published.value] if claim.published else []
    values += [claim.control.measured, *ends(claim.control.interval)] if claim.control else []
    values += [claim.expect.low, claim.expect.high] if claim.expect else []
    known = [v for v in values if v is not None and math.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    start = 0.0 if low >= 0 else -1.0
    if low >= -1 and high <= 1 and high - low >= (1.0 - start) / 3:
        return start, 1.0
    margin = 0.1 * (high - low) or max(abs(high), 1.0) * 0.1
    return low - margin, high + margin


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` of them and at least two where `most` allows."""
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    for step in (*_STEPS, 20.0):
        first, last = math.ceil(low / (step * size) - 1e-9), math.floor(high / (step * size) + 1e-9)
        if last - first < most:
            return [k * step * size for k in range(first, last + 1)]
    raise AssertionError("a step of twice the range's power of ten leaves few ticks")
