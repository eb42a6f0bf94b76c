"""Numbers and expectations in words."""

from __future__ import annotations

import math

from retrace.claims.model import Expect


def number(value: float | None) -> str:
    """A number to three significant digits; n/a where there is none."""
    return "n/a" if value is None or not math.isfinite(value) else f"{value:.3g}"


def expectation(expect: Expect) -> str:
    """An expectation in words, such as "at least 0.8"."""
    if expect.within is not None:
        return f"within {number(expect.within)} of {number(expect.value or 0.0)}"
    given = expect.model_dump(exclude_none=True)
    return " and ".join(f"{name.replace('_', ' ')} {number(bound)}" for name, bound in given.items())
