"""What a claim expects: an interval of outcomes, fixed before the run."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from retrace.claims.base import Strict
from retrace.stats.correlation import Array

ROUNDING = 1e-9  # of a mean of correlations that should be exactly at a bound
SIGNS = {"at_least": ">=", "above": ">", "at_most": "<=", "below": "<"}


def number(value: float | None) -> str:
    """A number to three significant digits; n/a where there is none."""
    return "n/a" if value is None or not math.isfinite(value) else f"{value:.3g}"


class Expect(Strict):
    """The outcomes that make a claim true: an interval, fixed before the run."""

    at_least: float | None = None
    above: float | None = Field(None, description="as at_least, but the bound itself is not enough")
    at_most: float | None = None
    below: float | None = Field(None, description="as at_most, but the bound itself is not enough")
    value: float | None = Field(None, description="a number to come near to, with `within`; 0 if left out")
    within: float | None = Field(None, gt=0, description="largest distance from `value`")

    @model_validator(mode="after")
    def _one_interval(self) -> Expect:
        given = self.model_dump(exclude_none=True)
        if not given or ("value" in given and "within" not in given):
            raise ValueError("say at_least, above, at_most or below, or within (with or without value)")
        if ("within" in given and given.keys() - {"value", "within"}) or {
            "at_least",
            "above",
        } <= given.keys():
            raise ValueError("give one lower and one upper bound at most, or within, not both")
        if {"at_most", "below"} <= given.keys() or not self.low < self.high:
            raise ValueError("give one upper bound at most, and above the lower one")
        return self

    @property
    def low(self) -> float:
        """Lower end, minus infinity where there is none."""
        if self.within is not None:
            return (self.value or 0.0) - self.within
        return next((b for b in (self.at_least, self.above) if b is not None), -math.inf)

    @property
    def high(self) -> float:
        """Upper end, infinity where there is none."""
        if self.within is not None:
            return (self.value or 0.0) + self.within
        return next((b for b in (self.at_most, self.below) if b is not None), math.inf)

    def nearest(self, value: float) -> float:
        """The end that is nearest to a value."""
        return min(self.low, self.high, key=lambda end: abs(value - end))

    def meets(self, outcome: float | Array) -> npt.NDArray[np.bool_]:
        """Whether each outcome lies inside, give or take rounding errors; a nan does not."""
        return np.asarray(self.meets_low(outcome) & self.meets_high(outcome))

    def meets_low(self, outcome: float | Array) -> npt.NDArray[np.bool_]:
        """Whether each outcome respects the lower end."""
        if self.above is not None:
            return np.asarray(np.asarray(outcome) > self.low + ROUNDING)
        return np.asarray(np.asarray(outcome) >= self.low - ROUNDING)

    def meets_high(self, outcome: float | Array) -> npt.NDArray[np.bool_]:
        """Whether each outcome respects the upper end."""
        if self.below is not None:
            return np.asarray(np.asarray(outcome) < self.high - ROUNDING)
        return np.asarray(np.asarray(outcome) <= self.high + ROUNDING)

    def words(self, write: Callable[[float], str] = number) -> str:
        """The expectation in words, such as "at least 0.8"; `write` puts a number down."""
        if self.within is not None:
            return f"within {write(self.within)} of {write(self.value or 0.0)}"
        given = self.model_dump(exclude_none=True)
        return " and ".join(f"{name.replace('_', ' ')} {write(bound)}" for name, bound in given.items())

    def signs(self) -> str:
        """The expectation in ASCII signs, such as ">= 0.8" or "0 +- 0.02"."""
        if self.within is not None:
            return f"{number(self.value or 0.0)} +- {number(self.within)}"
        given = self.model_dump(exclude_none=True)
        return ", ".join(f"{SIGNS[name]} {number(bound)}" for name, bound in given.items())
