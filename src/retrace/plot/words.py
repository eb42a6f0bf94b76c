"""Numbers and intervals of a verdict record in words."""

from __future__ import annotations

import math
from typing import Any

from retrace.claims.expect import Expect
from retrace.claims.record import Interval

NOTHING = "n/a"


def number(value: Any) -> float:
    """A float of whatever a record holds; NaN for null, text and booleans."""
    if isinstance(value, bool) or value is None:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def short(value: Any, digits: int = 3) -> str:
    """A number to `digits` significant digits without padding zeros; "n/a" where there is none."""
    x = number(value)
    if math.isnan(x):
        return NOTHING
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    if x == 0:
        return "0"
    size = abs(x)
    if 1000 <= size < 1e7:
        text = f"{x:,.0f}"
    elif 1e-4 <= size < 1000:
        text = f"{x:.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        mantissa, exponent = f"{x:.{digits - 1}e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return text.replace("-", "−")


def ends(interval: Interval | None) -> tuple[float, float]:
    """The two ends of an interval; NaN where there is none."""
    low, high = interval or (None, None)
    return number(low), number(high)


def span(interval: Interval | None) -> str:
    """An interval as "[low, high]"; an open end reads "…"; empty where there is none."""
    low, high = ends(interval)
    if math.isnan(low) and math.isnan(high):
        return ""
    return f"[{'…' if math.isnan(low) else short(low)}, {'…' if math.isnan(high) else short(high)}]"


def beats(rival: float | None, measured: float | None, expect: Expect | None) -> bool | None:
    """Whether the rival lies further than the measured value in the direction the claim asks for.

    A tie is not a win. None where the claim has no direction or a number is missing.
    """
    a, b = number(rival), number(measured)
    if expect is None or math.isnan(a) or math.isnan(b) or math.isinf(expect.low) == math.isinf(expect.high):
        return None
    return a > b if math.isinf(expect.high) else a < b
