"""Numbers and expectations of a verdict record in words and as regions of an axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

NOTHING = "n/a"
VERDICTS = ("supported", "refuted", "inconclusive", "not testable here", "not run")


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


def ends(interval: Any) -> tuple[float, float]:
    """The two ends of an interval; NaN, NaN where there is none."""
    if not isinstance(interval, Sequence) or isinstance(interval, str) or len(interval) != 2:
        return math.nan, math.nan
    return number(interval[0]), number(interval[1])


def span(interval: Any) -> str:
    """An interval as "[low, high]"; an open end reads "…"; empty where there is none."""
    low, high = ends(interval)
    if math.isnan(low) and math.isnan(high):
        return ""
    return f"[{'…' if math.isnan(low) else short(low)}, {'…' if math.isnan(high) else short(high)}]"


def region(expect: Mapping[str, Any] | None) -> tuple[float, float] | None:
    """The values that satisfy an `expect` block, as (low, high); open sides infinite, None if empty."""
    given = {key: number(value) for key, value in (expect or {}).items()}
    if not math.isnan(given.get("within", math.nan)):
        centre = given.get("value", 0.0)
        centre = 0.0 if math.isnan(centre) else centre
        return centre - given["within"], centre + given["within"]
    low = next((given[k] for k in ("at_least", "above") if k in given), math.nan)
    high = next((given[k] for k in ("at_most", "below") if k in given), math.nan)
    if math.isnan(low) and math.isnan(high):
        return None
    return (-math.inf if math.isnan(low) else low), (math.inf if math.isnan(high) else high)


def expectation(expect: Mapping[str, Any] | None) -> str:
    """An `expect` block in words, such as "at least 0.8" or "within 0.02 of 0"; empty if it is empty."""
    given = {key: value for key, value in (expect or {}).items() if value is not None}
    if "within" in given:
        return f"within {short(given['within'])} of {short(given.get('value', 0))}"
    return " and ".join(f"{key.replace('_', ' ')} {short(value)}" for key, value in given.items())


def beats(rival: Any, measured: Any, expect: Mapping[str, Any] | None) -> bool | None:
    """Whether the rival lies further than the measured value in the direction the claim asks for.

    A tie is not a win. None where the claim has no direction or a number is missing.
    """
    wanted, a, b = region(expect), number(rival), number(measured)
    if wanted is None or math.isnan(a) or math.isnan(b) or math.isinf(wanted[0]) == math.isinf(wanted[1]):
        return None
    return a > b if math.isinf(wanted[1]) else a < b
