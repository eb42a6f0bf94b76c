"""What a study declares: its papers, its stages and what each needs, its figures.

A study lives in `retrace.studies.<name>`: `study.py` holds its `STUDY` declaration, `params.py` the
types of its parameters, and one module a verb holds `run(params, inputs, seed) -> Output` (`retrace.stage`).
No stage imports this module, so a declaration may gain a field without new keys for old evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from retrace.cuts import Cuts
from retrace.params import StageParams

VERBS = ("prepare", "train", "defend", "attack", "measure", "judge", "draw")
Verb = Literal["prepare", "train", "defend", "attack", "measure"]


@dataclass(frozen=True)
class Stage:
    """One verb of a study.

    `params` is the type of the parameters that enter the key and that `run` is given; `needs` names the
    stages whose evidence it reads; `reads` the parameters whose value is a data set of `data/catalogue.csv`;
    `by` the parameters that name its folder (empty: the cell's name); `apart` those (mappings) whose entries
    do not know one another, so that a sheet may give each a task of its own. A stage without `seeded` runs
    once for all seeds. `arrays`: leaves an evidence NPZ; `scratch`: leaves unversioned arrays
    (weights, shifted data) that only later stages read. Raise `version` to disown old evidence.
    """

    verb: Verb
    params: type[StageParams] = StageParams
    needs: tuple[Verb, ...] = ()
    reads: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    seeded: bool = True
    arrays: bool = False
    scratch: bool = False
    torch: bool = True
    version: int = 1

    @property
    def uses(self) -> tuple[str, ...]:
        """Names of its parameters."""
        return tuple(self.params.model_fields)


@dataclass(frozen=True)
class Figure:
    """A figure of a paper: `name` is the file's stem, `caption` says what to see in it."""

    paper: str
    name: str
    caption: str


def claim_strip(paper: str) -> Figure:
    """The figure that every paper has: its claims."""
    return Figure(paper, "claims", "Every claim: interval, threshold, control, trivial baselines.")


@dataclass(frozen=True)
class Study:
    """A family of experiments from which one or more papers draw evidence.

    `settings` names the parameter by whose values the study's table, and so its claims, call their cells,
    where several cells of the sheet make up one; None: the sheet's names. `cuts`: for a rehearsal.
    """

    name: str
    title: str
    papers: Mapping[str, str]  # slug -> short citation
    stages: tuple[Stage, ...]
    figures: tuple[Figure, ...] = ()
    settings: str | None = None
    cuts: Cuts = field(default_factory=Cuts)

    @property
    def verbs(self) -> tuple[str, ...]:
        """The verbs of its stages, then judge and draw, which every study has."""
        return (*(stage.verb for stage in self.stages), "judge", "draw")

    def setting(self, cell: str, params: Mapping[str, Any]) -> str:
        """What the study's table, and so its claims, call a cell of the sheet with these parameters."""
        return str(params[self.settings]) if self.settings else cell

    def stage(self, verb: str) -> Stage:
        """The stage of that verb; KeyError names the study and what it has."""
        for stage in self.stages:
            if stage.verb == verb:
                return stage
        raise KeyError(f"study {self.name} has no stage {verb}; it has {[s.verb for s in self.stages]}")
