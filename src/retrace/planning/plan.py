"""The plan: every task of a run with its key, paths and needs, worked out before any job starts."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

from retrace.claims.looks import planned
from retrace.config import Config
from retrace.data import sets
from retrace.errors import RetraceError
from retrace.files import check, set_aside
from retrace.jobs import Context, StageJob
from retrace.more import read_more
from retrace.planning.known import Known
from retrace.recipe import digest, recipe_key
from retrace.records.evidence import read_record
from retrace.sheet import GROUP, Cell, called_cells, chosen_studies, load_cells, sheet_seeds
from retrace.study import Stage, Study


@dataclass(frozen=True)
class Task:
    """One stage of one study for one set of parameters and one seed: what a job computes."""

    study: str
    stage: Stage
    group: str
    seed: int | None
    params: dict[str, Any]
    recipe: dict[str, Any]
    needs: dict[str, Task]

    @cached_property
    def key(self) -> str:
        """The recipe key: 12 hex digits."""
        return recipe_key(self.recipe)

    @property
    def asked(self) -> dict[str, Any]:
        """Its parameters and those of all that it needs, its own last: what `retrace.work` counts by."""
        found: dict[str, Any] = {}
        for need in self.needs.values():
            found |= need.asked
        return found | self.params

    @property
    def label(self) -> str:
        """Words for people: study, verb, group, seed."""
        return f"{self.study} {self.stage.verb} {self.group} {self._folder}"

    @property
    def seeds(self) -> str:
        """Its seed in words: all, where it runs once for all."""
        return "all" if self.seed is None else str(self.seed)

    @property
    def _folder(self) -> str:
        return "all" if self.seed is None else f"s{self.seed}"

    @cached_property
    def stem(self) -> str:
        """Path below `evidence/` or `results/scratch/`, without the suffix."""
        return f"{self.study}/{self.group}/{self._folder}/{self.stage.verb}-{self.key}"

    @property
    def evidence(self) -> str:
        """Path of the evidence JSON."""
        return f"evidence/{self.stem}.json"

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Every file the task leaves: evidence, and the arrays and scratch its stage declares."""
        paths = {"evidence": self.evidence}
        if self.stage.arrays:
            paths["arrays"] = f"evidence/{self.stem}.npz"
        if self.stage.scratch:
            paths["scratch"] = f"results/scratch/{self.stem}.safetensors"
        return paths

    @property
    def lasting(self) -> list[str]:
        """The files that are kept and versioned: evidence and its arrays."""
        return [path for kind, path in self.outputs.items() if kind != "scratch"]

    def job(self, context: Context) -> StageJob:
        """What its job is told."""
        return StageJob(
            label=self.label,
            context=context,
            study=self.study,
            verb=self.stage.verb,
            seed=self.seed or 0,
            params=self.params,
            reads={name: self.params[name] for name in self.stage.reads},
            recipe=self.recipe,
            needs={verb: need.outputs for verb, need in self.needs.items()},
            out=self.outputs,
        )


@dataclass(frozen=True)
class Row:
    """One cell and seed of a sheet with the tasks that give its evidence; of a split cell, one part of it."""

    cell: str
    seed: int
    params: dict[str, Any]
    tasks: dict[str, Task]


@dataclass
class StudyPlan:
    """A study's rows and its tasks by key; the looks that are planned, if any (`claims.looks`).

    `everywhere` reads what the study's table calls the cells of all scales.
    """

    study: Study
    rows: list[Row] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    looks: tuple[int, ...] = ()
    everywhere: Callable[[], set[str]] = set

    def of_verb(self, verb: str) -> list[Task]:
        """Tasks of one verb, in the order of the sheet."""
        return [task for task in self.tasks.values() if task.stage.verb == verb]


def plan_study(
    study: Study, config: Config, root: Path, known: Known | None = None, cells: Sequence[Cell] | None = None
) -> StudyPlan:
    """All tasks of a study's cells, the sheet's at the configured scale if none are given."""
    plan = StudyPlan(study, everywhere=cache(partial(called_cells, study, root)))
    if config.scale in read_more(root) and not config.pilot:
        plan.looks = looks_of(study, config.scale, root)
    known = known or Known(root)
    content = cache(partial(sets.fingerprint, root, config.datasets))
    if cells is None:
        cells = load_cells(study, config.scale, root, config.most_seeds, config.pilot)
    seen: dict[str, str] = {}  # what a cell's tasks compute -> the cell's name
    for cell in cells:
        for seed, part in product(cell.seeds, cell.parts):
            tasks: dict[str, Task] = {}
            for stage in study.stages:
                names = {param: cell.params[param] for param in stage.reads if cell.params[param]}
                data = {param: content(name) for param, name in names.items()}
                readers = {param: known.code(sets.reader(name)) for param, name in names.items()}
                read = {"data": data, "reader": readers} if stage.reads else {}
                own = _part(stage, cell, part)
                recipe = _recipe(study, stage, own, seed, known.code(_module(study, stage)), read, tasks)
                task = _task(study, stage, own, recipe, tasks)
                tasks[stage.verb] = plan.tasks.setdefault(task.key, task)
            plan.rows.append(Row(cell.name, seed, cell.params, tasks))
        made = _made(tasks.values())
        if (first := seen.setdefault(made, cell.name)) != cell.name:
            raise RetraceError(
                f"config/studies/{study.name}.yaml: scales.{config.scale}.cells.{cell.name}: the same as "
                f"{first}, so that its evidence would count twice; leave one out"
            )
    return plan


def _part(stage: Stage, cell: Cell, part: str) -> Cell:
    """What the stage sees of a cell: one entry of what it can take apart, under a name of its own."""
    if cell.split not in stage.apart or cell.split is None:
        return cell
    params = {**cell.params, cell.split: {part: cell.params[cell.split][part]}}
    return replace(cell, name=f"{cell.name}.{part}", params=params)


def _made(tasks: Iterable[Task]) -> str:
    """What a cell's tasks compute, whatever their seed is and their data sets are called."""
    made: dict[str, Any] = {}
    for task in tasks:  # what is needed comes first
        names = task.stage.reads
        params = {name: value for name, value in task.params.items() if name not in names}
        needs = {verb: made[verb] for verb in task.needs}
        made[task.stage.verb] = digest({**task.recipe, "params": params, "needs": needs, "seed": None})
    return digest(made)


def looks_of(study: Study, scale: str, root: Path) -> tuple[int, ...]:
    """The looks at a study's claims where seeds are added: the sheet's number first."""
    return planned(len(sheet_seeds(study, scale, root)))


def _module(study: Study, stage: Stage) -> str:
    return f"retrace.studies.{study.name}.{stage.verb}"


def _recipe(
    study: Study, stage: Stage, cell: Cell, seed: int, code: str, read: dict[str, Any], done: dict[str, Task]
) -> dict[str, Any]:
    return {
        "module": _module(study, stage),
        "version": stage.version,
        "params": {name: cell.params[name] for name in stage.uses},
        "seed": seed if stage.seeded else None,
        "needs": {verb: done[verb].key for verb in stage.needs},
        "code": code,
        **read,
    }


def _task(study: Study, stage: Stage, cell: Cell, recipe: dict[str, Any], done: dict[str, Task]) -> Task:
    group = "-".join(str(cell.params[name]) for name in stage.by) if stage.by else cell.name
    if not re.match(GROUP, group):
        raise RetraceError(
            f"{study.name} {stage.verb}: {group!r} cannot name a folder; it must match {GROUP}"
        )
    needs: dict[str, Task] = {verb: done[verb] for verb in stage.needs}
    return Task(study.name, stage, group, recipe["seed"], recipe["params"], recipe, needs)


def plan_all(config: Config, root: Path, known: Known | None = None) -> dict[str, StudyPlan]:
    """The plans of the chosen studies by name."""
    known = known or Known(root)
    return {study.name: plan_study(study, config, root, known) for study in chosen_studies(config, root)}


def screen(tasks: Iterable[Task], root: Path, known: Known) -> Iterator[str]:
    """Set aside evidence and arrays that are damaged or misnamed, so that they are made again.

    Files that were whole and have not changed since (`Known`) are not read again. Yields a line for each
    that is set aside.
    """
    for task in tasks:
        path = root / task.evidence
        if not path.exists() or known.is_whole(task.lasting):
            continue
        began = time.time()
        try:
            record = read_record(path)
            if recipe_key(record["recipe"]) != task.key:
                raise RetraceError(f"{task.evidence}: its recipe belongs to another name")
        except RetraceError as error:
            aside = set_aside(path)
            yield f"{str(error).removeprefix(str(root) + '/')} (kept as {aside.name})"
            continue
        arrays = root / task.outputs.get("arrays", task.evidence)
        if arrays != path and arrays.exists():
            try:
                check(arrays, record["files"]["arrays"])
            except RetraceError as error:
                yield str(error).removeprefix(str(root) + "/")
                continue
        known.found_whole(task.lasting, began)
