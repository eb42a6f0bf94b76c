"""The radius over the course of training: zero, a smooth rise, the full radius."""

from __future__ import annotations

from dataclasses import dataclass

MIDDLE, EXPONENT = 0.4, 4.0


@dataclass(frozen=True)
class Ramp:
    """Radius at a step: 0 before `start`, then rises over `length` steps to `epsilon`.

    The first 40 % of the rise, rounded down to whole steps, are a fourth power, the rest a line that goes on
    with its slope (the smoothed schedule of auto_LiRPA, used by CertifiedPruning's configurations). A rise of
    one or two steps is a line.
    """

    epsilon: float
    start: int
    length: int

    def __post_init__(self) -> None:
        if self.epsilon < 0:
            raise ValueError(f"epsilon {self.epsilon}: a radius cannot be negative")
        if self.start < 0 or self.length < 0:
            raise ValueError(f"ramp: start {self.start} and length {self.length} must not be negative")

    def at(self, step: float) -> float:
        """The radius at a step, counted from 0."""
        done = step - self.start
        if done >= self.length:
            return self.epsilon
        if done <= 0:
            return 0.0
        middle = int(MIDDLE * self.length)
        if not middle:
            return self.epsilon * done / self.length
        slope = EXPONENT * middle ** (EXPONENT - 1)
        scale = self.epsilon / ((self.length - middle) * slope + middle**EXPONENT)
        if done < middle:
            return float(scale * done**EXPONENT)
        return float(scale * (middle**EXPONENT + slope * (done - middle)))
