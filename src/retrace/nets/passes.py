"""Amounts of work (`retrace.work`) of passes through a network; free of torch."""

from __future__ import annotations

from math import ceil

from retrace.nets.sizes import Size
from retrace.work import ELEMENTS, FLOP, OPERATIONS

BACKWARD = 2  # forward passes that a backward pass amounts to
OPTIMISER = 4  # numbers that an optimiser writes for each parameter, a step


def forward(size: Size, examples: float, batch: int, models: int = 1, together: int = 1) -> dict[str, float]:
    """Forward passes of so many examples through each of `models`, `together` of them in one call."""
    calls = ceil(examples / batch) * ceil(models / together)
    return {
        FLOP: models * examples * size.flop,
        OPERATIONS: calls * size.forward_calls,
        ELEMENTS: models * examples * size.forward_elements,
    }


def train(size: Size, examples: float, batch: int, models: int = 1, together: int = 1) -> dict[str, float]:
    """Training steps on so many examples (epochs counted) of each of `models`, `together` in one step."""
    steps = ceil(examples / batch)
    return {
        FLOP: models * examples * (1 + BACKWARD) * size.flop,
        OPERATIONS: steps * ceil(models / together) * size.step_calls,
        ELEMENTS: models * (examples * size.step_elements + steps * OPTIMISER * size.parameters),
    }
