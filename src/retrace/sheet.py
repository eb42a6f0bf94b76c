"""Sheets: the cells and seeds of a study at each scale, as a flat validated table.

`config/studies/<study>.yaml` holds `base` (parameters of every cell) and, per scale, `seeds`, a `base`
and `cells`; a cell's parameters are the three laid over one another. No loops, conditions or templates.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, NonNegativeInt, StringConstraints

import retrace.studies
from retrace.config import Config, Scale, validate
from retrace.errors import RetraceError, did_you_mean, unknown
from retrace.more import PLACE, read_more
from retrace.strict import Strict
from retrace.study import Study
from retrace.work import Counts
from retrace.yamls import read_yaml

# a folder's name; rules/common.smk constrains the wildcard alike
GROUP = r"^[a-z0-9][a-z0-9._+-]*$"
PILOT_STEP = 100  # pilots begin at a multiple of it that the sheet does not reach: 100, as a rule
CellName = Annotated[str, StringConstraints(pattern=GROUP)]


class ScaleSheet(Strict):
    """Cells and seeds of one scale."""

    seeds: list[NonNegativeInt] = Field(
        min_length=1, description="one run of every cell per seed; all different"
    )
    base: dict[str, Any] = Field(default_factory=dict, description="parameters of every cell of this scale")
    split: str | None = Field(
        None, description="parameter whose entries are tasks of their own, in the stages that take them apart"
    )
    cells: dict[CellName, dict[str, Any]] = Field(min_length=1, description="cell name -> its own parameters")


class Sheet(Strict):
    """One study's sheet."""

    study: str
    base: dict[str, Any] = Field(default_factory=dict, description="parameters of every cell")
    scales: dict[Scale, ScaleSheet]


@dataclass(frozen=True)
class Cell:
    """A named set of parameters and the seeds it runs with; `split` names the parameter to take apart."""

    name: str
    params: dict[str, Any]
    seeds: tuple[int, ...]
    split: str | None = None

    @property
    def parts(self) -> list[str]:
        """Entries of the parameter to take apart; one that has no name for a cell that stays whole."""
        return list(self.params[self.split]) if self.split else [""]


def known_studies() -> list[str]:
    """Names of the packages in `retrace.studies`."""
    return sorted(module.name for module in pkgutil.iter_modules(retrace.studies.__path__) if module.ispkg)


def load_study(name: str) -> Study:
    """The declaration of a study; RetraceError with a did-you-mean when there is none."""
    if name not in known_studies():
        raise RetraceError(f"unknown study {name!r}{did_you_mean(name, known_studies())}")
    study: Study = importlib.import_module(f"retrace.studies.{name}.study").STUDY
    return study


def counts_of(study: str) -> Counts:
    """How a study counts its work; RetraceError, one line, where it says nothing of it."""
    try:
        counts: Counts = importlib.import_module(f"retrace.studies.{study}.work").work
    except (ModuleNotFoundError, AttributeError):
        raise RetraceError(
            f"study {study}: its work is not counted; write work(verb, params, device) -> Work in "
            f"src/retrace/studies/{study}/work.py (docs/cost.md)"
        ) from None
    return counts


def used_share(study: str, verb: str, params: dict[str, Any], results: dict[str, Any]) -> float:
    """The share of its capped amounts that a finished stage took, by the study's `used`; 1 without one."""
    module = importlib.import_module(f"retrace.studies.{study}.work")
    return float(module.used(verb, params, results)) if hasattr(module, "used") else 1.0


def params_model(study: str) -> type[BaseModel]:
    """The pydantic model of a study's parameters."""
    model: type[BaseModel] = importlib.import_module(f"retrace.studies.{study}.params").Params
    return model


def chosen_studies(config: Config, root: Path) -> list[Study]:
    """The studies a run covers, in alphabetical order; of all, those whose sheet has the scale."""
    if config.studies != "all":
        return [load_study(name) for name in sorted(set(config.studies))]
    studies = [load_study(name) for name in known_studies()]
    return [study for study in studies if config.scale in scales_of(study, root)]


def scales_of(study: Study, root: Path) -> list[Scale]:
    """The scales that the study's sheet has, in the sheet's order."""
    return list(_read(study, root).scales)


def called_cells(study: Study, root: Path) -> set[str]:
    """What the study's table calls the cells of all scales of its sheet, read without a look at the rest."""
    sheet, named = _read(study, root), study.settings
    cells = [
        (name, {**sheet.base, **rows.base, **own})
        for rows in sheet.scales.values()
        for name, own in rows.cells.items()
    ]
    return {study.setting(name, params) for name, params in cells if named is None or named in params}


def load_cells(study: Study, scale: str, root: Path, most: int | None = None, pilot: int = 0) -> list[Cell]:
    """The validated cells of a study at a scale with the seeds that `config/more.yaml` adds.

    Of a cell's seeds only the first `most` are taken, if that is given; of a `pilot` of n seeds, n others.

    Raises RetraceError naming the sheet, the cell and the key that does not fit, or a stage whose parameters
    no cell has.
    """
    place, sheet = _place(study), _read(study, root)
    rows = _scale(sheet, scale)
    more = _more(study, scale, rows, root)
    apart = sorted({name for stage in study.stages for name in stage.apart})
    if rows.split is not None and rows.split not in apart:
        raise RetraceError(f"{place}: scales.{scale}.split: {unknown('parameter', rows.split, apart)}")
    model = params_model(study.name)
    for stage in study.stages:
        if not issubclass(model, stage.params):
            raise RetraceError(
                f"src/retrace/studies/{study.name}/params.py: Params lacks {stage.params.__name__}, the "
                f"parameters of {stage.verb}; let it extend that class"
            )
    cells = []
    for name, own in rows.cells.items():
        params = validate(model, {**sheet.base, **rows.base, **own}, f"{place}: scales.{scale}.cells.{name}")
        seeds = range(more[name]) if name in more else rows.seeds
        seeds = _pilot(seeds, pilot) if pilot else seeds
        cells.append(Cell(name, params.model_dump(mode="json"), tuple(seeds)[:most], rows.split))
    return cells


def sheet_seeds(study: Study, scale: str, root: Path) -> list[int]:
    """The seeds that the study's sheet itself gives every cell of a scale."""
    return _scale(_read(study, root), scale).seeds


def _scale(sheet: Sheet, scale: str) -> ScaleSheet:
    place = f"config/studies/{sheet.study}.yaml"
    if scale not in sheet.scales:
        raise RetraceError(f"{place}: no scale {scale!r}{did_you_mean(scale, sheet.scales)}")
    rows = sheet.scales[scale]  # type: ignore[index]
    if len(set(rows.seeds)) < len(rows.seeds):
        raise RetraceError(f"{place}: scales.{scale}.seeds: a seed is listed twice: {rows.seeds}")
    return rows


def _pilot(seeds: Sequence[int], number: int) -> range:
    """Seeds of a pilot: from the first hundred on that the cell's own do not reach."""
    first = PILOT_STEP * (max(seeds) // PILOT_STEP + 1)
    return range(first, first + number)


def _more(study: Study, scale: str, rows: ScaleSheet, root: Path) -> Mapping[str, int]:
    """How many seeds `config/more.yaml` gives cells of the study; it may not lower those of the sheet."""
    studies = read_more(root).get(scale, {})
    for name in studies:
        if name not in known_studies():
            raise RetraceError(f"{PLACE}: {scale}: {unknown('study', name, known_studies())}")
    more = studies.get(study.name, {})
    for cell, number in more.items():
        place = f"{PLACE}: {scale}.{study.name}"
        if cell not in rows.cells:
            raise RetraceError(f"{place}: {unknown('cell', cell, rows.cells)}")
        if not set(rows.seeds) <= set(range(number)):
            raise RetraceError(
                f"{place}.{cell}: {number} means seeds 0 to {number - 1}, "
                f"the sheet has {rows.seeds}; raise it"
            )
    return more


def _place(study: Study) -> str:
    return f"config/studies/{study.name}.yaml"


def _read(study: Study, root: Path) -> Sheet:
    place = _place(study)
    sheet = validate(Sheet, read_yaml(root / place, place), place)
    if sheet.study != study.name:
        raise RetraceError(f"{place}: says study {sheet.study!r}; expected {study.name!r}")
    return sheet
