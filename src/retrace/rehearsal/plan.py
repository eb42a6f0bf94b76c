"""What a rehearsal does: the cut cells of the sheets with their tasks, whole and narrow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from retrace.config import Config, validate
from retrace.cuts import apply, differences
from retrace.data.rehearsed import PREFIX
from retrace.errors import RetraceError
from retrace.jobs import StageJob
from retrace.llm.shapes import SHAPES
from retrace.planning.known import Known
from retrace.planning.plan import StudyPlan, Task, plan_study
from retrace.planning.products import context
from retrace.recipe import KEY_LENGTH, digest
from retrace.rehearsal.memory import machine
from retrace.rehearsal.stand_ins import STAND_INS
from retrace.sheet import Cell, chosen_studies, load_cells, params_model
from retrace.study import Study

HOME = "results/rehearsal"
WHOLE, NARROW = "whole", "narrow"
FOR_CPUS = ("smoke", "laptop")  # scales whose cells any machine can run: whole, with their own models


@dataclass(frozen=True)
class Step:
    """A task of a cell; `part` is the one part of the cell that it serves, empty where there are several.

    Its files lie apart by `place` (scale and cell): cells that share a stage run at once, and each removes
    its own scratch.
    """

    task: Task
    part: str
    place: str

    def job(self, config: Config, device: str) -> StageJob:
        """What its job is told: files below `HOME`, data sets drawn."""
        job = self.task.job(context(config, device if self.task.stage.torch else "cpu"))
        needs = {verb: self._moved(need.outputs) for verb, need in self.task.needs.items()}
        return replace(job, needs=needs, out=self._moved(self.task.outputs))

    def _moved(self, paths: Mapping[str, str]) -> dict[str, str]:
        """Paths of a task's files as a rehearsal has them: apart from evidence, so never published."""
        parts = {kind: path.removeprefix("results/").partition("/") for kind, path in paths.items()}
        return {kind: f"{HOME}/{first}/{self.place}/{rest}" for kind, (first, _, rest) in parts.items()}


@dataclass(frozen=True)
class Version:
    """A cell cut to some size: its steps, needed ones first, and the model that is drawn for it, if any."""

    config: Config
    steps: list[Step] = field(default_factory=list)
    model: tuple[str, str] | None = None  # its name, the folder that stands for it
    trouble: str = ""  # why no steps could be planned


@dataclass(frozen=True)
class Rehearsal:
    """A cell to rehearse; `needs`: memory of the device (bytes) that the whole takes, if known before."""

    scale: str
    study: str
    cell: str
    whole: Version
    narrow: Version
    narrowed: dict[str, str]
    needs: float | None

    @property
    def for_cpus(self) -> bool:
        """Whether the whole is rehearsed without an accelerator, too."""
        return self.scale in FOR_CPUS

    @cached_property
    def key(self) -> str:
        """Of all that it runs and of the machine: another one may have the memory that this one lacks."""
        told = [
            [version.trouble, *(step.task.key for step in version.steps)]
            for version in (self.whole, self.narrow)
        ]
        return digest([told, self.needs, machine()])[:KEY_LENGTH]

    @property
    def record(self) -> str:
        """Path of its record when it has passed."""
        return f"{HOME}/{self.scale}/{self.study}/{self.cell}-{self.key}.json"

    @property
    def failed(self) -> str:
        """Path of its record when it has not."""
        return self.record.removesuffix(".json") + ".failed.json"


def plan_rehearsal(config: Config, root: Path, known: Known | None = None) -> list[Rehearsal]:
    """Every cell of the chosen studies at the configured scale, with its first seed.

    A cell whose cuts do not fit is planned as one that fails. RetraceError for a sheet that is wrong itself.
    """
    known = known or Known(root)
    return [
        _rehearsal(study, cell, config, root, known)
        for study in chosen_studies(config, root)
        for cell in load_cells(study, config.scale, root)
    ]


def plan_cell(config: Config, study: str, cell: str, root: Path) -> Rehearsal:
    """One cell, planned as in `plan_rehearsal`; RetraceError where the sheet has none of that name."""
    (chosen,) = chosen_studies(config.model_copy(update={"studies": [study]}), root)
    for found in load_cells(chosen, config.scale, root):
        if found.name == cell:
            return _rehearsal(chosen, found, config, root, Known(root))
    raise RetraceError(f"config/studies/{study}.yaml: no cell {cell!r} at scale {config.scale}")


def _rehearsal(study: Study, cell: Cell, config: Config, root: Path, known: Known) -> Rehearsal:
    cuts = study.cuts
    drawn = config.model_copy(update={"datasets": f"{PREFIX}{cuts.images or ''}"})
    always = apply(apply(cell.params, cuts.always), cuts.fitted(cell.params))
    narrow = apply(always, cuts.narrow)
    sizes = {
        WHOLE: {"": always},
        NARROW: {part: apply(narrow, cut) for part, cut in cuts.parts(narrow).items()},
    }
    versions = {size: _version(study, cell, parts, size, drawn, root, known) for size, parts in sizes.items()}
    changed = differences(always, narrow)
    if versions[NARROW].model:
        changed[str(cuts.model)] = "a narrow one of as many layers"
    return Rehearsal(
        config.scale,
        study.name,
        cell.name,
        versions[WHOLE],
        versions[NARROW],
        changed,
        cuts.memory(cell.params),
    )


def _version(
    study: Study,
    cell: Cell,
    parts: Mapping[str, dict[str, Any]],
    size: str,
    config: Config,
    root: Path,
    known: Known,
) -> Version:
    model = None
    name = study.cuts.model
    cells = {}
    try:
        for part, params in parts.items():
            if name and config.scale not in FOR_CPUS and params[name] in (*SHAPES, *STAND_INS):
                model = (params[name], f"{HOME}/models/{study.name}-{cell.name}/{params[name]}-{size}")
            if model and model[0] in SHAPES:
                params = {**params, str(name): model[1]}
            place = f"src/retrace/studies/{study.name}/rehearse.py: cell {cell.name}, {part or size}"
            checked = validate(params_model(study.name), params, place).model_dump(mode="json")
            cells[part] = Cell(cell.name, checked, cell.seeds[:1])
        plan = plan_study(study, config, root, known, list(cells.values()))
    except RetraceError as error:
        return Version(config, trouble=str(error))
    return Version(config, _steps(plan, list(cells), f"{config.scale}/{cell.name}"), model)


def _steps(plan: StudyPlan, parts: list[str], place: str) -> list[Step]:
    serves: dict[str, set[str]] = {}
    for part, row in zip(parts, plan.rows, strict=True):
        for task in row.tasks.values():
            serves.setdefault(task.key, set()).add(part)
    return [
        Step(task, next(iter(serves[key])) if len(serves[key]) == 1 else "", place)
        for key, task in plan.tasks.items()
    ]
