"""What passes into and out of a stage: evidence of the stages before it, and its own output.

This module imports neither torch nor Snakemake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy.typing as npt

from retrace.errors import RetraceError

Array = npt.NDArray[Any]
P = TypeVar("P")


@dataclass(frozen=True)
class Evidence:
    """What a finished stage left: the JSON's blocks, lazily read arrays, lazily read scratch."""

    results: dict[str, Any]
    timing: dict[str, Any] = field(default_factory=dict)
    read_arrays: Callable[[], dict[str, Array]] = dict
    read_scratch: Callable[[], dict[str, Array]] = dict
    meter: dict[str, Any] = field(default_factory=dict)


# verb -> evidence of the needed stage, same cell and seed; and name of a parameter that names a data set ->
# that set: arrays `x` uint8 (N,H,W,C) and `y` int64 (N,), results `name` and `classes`
Inputs = Mapping[str, Evidence]


@dataclass(frozen=True)
class EvidenceRow(Generic[P]):
    """One cell and seed of a sheet with its evidence by verb, as a study's `table` receives it.

    `params` are the study's `Params`.
    """

    cell: str
    seed: int
    params: P
    evidence: Mapping[str, Evidence]


@dataclass(frozen=True)
class Output:
    """What `run` returns: JSON-able results, evidence arrays, scratch arrays (numpy, never pickled).

    `results` must be the same bytes for the same seed on one device class; whatever the clock decides
    (seconds of a part, say) goes into `timing`.
    """

    results: dict[str, Any]
    timing: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    scratch: dict[str, Array] = field(default_factory=dict)


class StageError(RetraceError):
    """A stage cannot go on for a reason the user can act on: one clear line, no traceback."""
