"""What a stage is asked to do, counted: amounts that take time, bytes that take room. Torch-free, in no key.

A study's `work.py` holds `work(verb, params, device) -> Work`. `params` are those of the stage and of all
stages that it needs, as a sheet or a recipe holds them; `retrace.costs` turns amounts into seconds by rates
that it fits to what stages took.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Amounts = Mapping[str, float]

FLOP = "flop"  # floating-point operations of networks; a multiply-add is two
OPERATIONS = "operations"  # calls of PyTorch that compute: each is launched, however small
ELEMENTS = "elements"  # numbers that networks and their optimisers write
VALUES = "values"  # numbers that arrays outside of networks hold and change
STAGE = "stage"  # one a stage: what it takes to begin
NAMES = (FLOP, OPERATIONS, ELEMENTS, VALUES, STAGE)


@dataclass(frozen=True)
class Work:
    """Amounts by name (any of `NAMES`) and bytes: held at once, left as scratch, left as evidence.

    `until` says what ends the stage before its amounts are done, where something does: they are a cap then.
    """

    amounts: Amounts
    memory: float = 0.0
    scratch: float = 0.0
    evidence: float = 4e3
    until: str = ""


class Counts(Protocol):
    """A study's count of its stages; ValueError for a verb that it does not know."""

    def __call__(self, verb: str, params: Mapping[str, Any], device: str) -> Work:
        """The work of a stage on "cpu" or "cuda"."""


def total(*parts: Amounts) -> dict[str, float]:
    """The sum, name by name."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0.0) for part in parts) for name in names}


def times(number: float, part: Amounts) -> dict[str, float]:
    """Every amount so many times."""
    return {name: number * value for name, value in part.items()}
