"""What a study is: its stages, what each needs and leaves, and the values that pass between them.

A study lives in `retrace.studies.<name>`: `study.py` holds its `STUDY` declaration, `params.py` its
pydantic parameters, and one module a verb holds `run(params, inputs, seed) -> Output`.
This module imports neither torch nor Snakemake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy.typing as npt

from retrace.errors import RetraceError

VERBS = ("prepare", "train", "defend", "attack", "measure", "judge", "draw")
Verb = Literal["prepare", "train", "defend", "attack", "measure"]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Stage:
    """One verb of a study.

    `uses` names the parameters that enter the key (and are handed to `run`); `needs` the stages whose
    evidence it reads; `reads` the parameters whose value is a data set of `data/catalogue.csv`;
    `by` the parameters that name its folder (empty: the cell's name). A stage without `seeded` runs
    once for all seeds. `arrays`: leaves an evidence NPZ; `scratch`: leaves unversioned arrays
    (weights, shifted data) that only later stages read. Raise `version` to disown old evidence.
    """

    verb: Verb
    uses: tuple[str, ...]
    needs: tuple[Verb, ...] = ()
    reads: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    seeded: bool = True
    arrays: bool = False
    scratch: bool = False
    torch: bool = True
    version: int = 1


@dataclass(frozen=True)
class Figure:
    """A figure of a paper: `name` is the file's stem, `caption` says what to see in it."""

    paper: str
    name: str
    caption: str


@dataclass(frozen=True)
class Study:
    """A family of experiments from which one or more papers draw evidence."""

    name: str
    title: str
    papers: Mapping[str, str]  # slug -> short citation
    stages: tuple[Stage, ...]
    figures: tuple[Figure, ...] = ()

    @property
    def verbs(self) -> tuple[str, ...]:
        """The verbs of its stages, then judge and draw, which every study has."""
        return (*(stage.verb for stage in self.stages), "judge", "draw")

    def stage(self, verb: str) -> Stage:
        """The stage of that verb; KeyError names the study and what it has."""
        for stage in self.stages:
            if stage.verb == verb:
                return stage
        raise KeyError(f"study {self.name} has no stage {verb}; it has {[s.verb for s in self.stages]}")


@dataclass(frozen=True)
class Evidence:
    """What a finished stage left: the JSON's blocks, lazily read arrays, lazily read scratch."""

    results: dict[str, Any]
    timing: dict[str, Any] = field(default_factory=dict)
    read_arrays: Callable[[], dict[str, Array]] = dict
    read_scratch: Callable[[], dict[str, Array]] = dict
    meter: dict[str, Any] = field(default_factory=dict)


Inputs = Mapping[str, Evidence]  # verb -> evidence of the needed stage, same cell and seed


@dataclass(frozen=True)
class EvidenceRow:
    """One cell and seed of a sheet with its evidence by verb, as a study's `table` receives it."""

    cell: str
    seed: int
    params: Mapping[str, Any]
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
