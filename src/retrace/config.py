"""The run's configuration: scale, studies, carbon accounting, device.

The model below is the only truth: `config/schemas/config.json` and the documented
`config/config.yaml` are generated from it (`retrace schemas --fix`) and a test fails when they drift.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from retrace.errors import RetraceError, did_you_mean
from retrace.numbers import strange
from retrace.strict import Strict, not_allowed

Scale = Literal["smoke", "laptop", "gpu", "paper"]
M = TypeVar("M", bound=BaseModel)
SCALES: tuple[str, ...] = get_args(Scale)
UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")  # of a model, of a dataclass


class Carbon(Strict):
    """How energy becomes carbon, and what is assumed where no counter is found."""

    country: str = Field(
        "FRA", pattern="^[A-Z]{3}$", description="ISO code given to CodeCarbon's offline tracker"
    )
    factor_kg_per_kwh: float = Field(
        0.475,
        gt=0,
        description="kg CO2e per kWh of stages run from now on; evidence keeps its own",
    )
    cpu_watts: float = Field(
        15.0,
        gt=0,
        description="watts of one busy core where there is no energy counter: an assumption",
    )
    ram_watts: float = Field(
        3.0, ge=0, description="watts of the memory where it cannot be measured: an assumption"
    )


class Config(Strict):
    """What a run does; set keys in config/config.yaml or with `--config key=value`."""

    scale: Scale = Field(
        "laptop", description="smoke (minutes), laptop (default), gpu (one accelerator), paper (cluster)"
    )
    seeds: Literal["sheet"] | PositiveInt = Field(
        "sheet",
        description="`sheet`, or n: the first n seeds of every cell, with results apart (SCALE-n-seeds)",
    )
    pilot: int = Field(
        0,
        ge=0,
        le=24,
        description="n: n pilot seeds (100, 101, ...) in place of the sheet's, with results apart "
        "(SCALE-pilot-n), to choose sizes and thresholds by; 0: none",
    )
    studies: Literal["all"] | list[str] = Field("all", description="`all`, or a list of studies")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where networks train; auto takes cuda when present"
    )
    datasets: str = Field(
        "data/external", description="folder of the torchvision data sets of the gpu and paper scales"
    )
    download: bool = Field(False, description="let torchvision download what is missing in `datasets`")
    carbon: Carbon = Field(default_factory=lambda: Carbon(), description="energy and carbon accounting")

    @property
    def edition(self) -> str:
        """The scale and, where seeds are not those of the sheets, which: a folder's name."""
        if self.pilot:
            return f"{self.scale}-pilot-{self.pilot}"
        return self.scale if self.seeds == "sheet" else f"{self.scale}-{self.seeds}-seeds"

    @property
    def options(self) -> list[str]:
        """What a command must say after `--config` to mean this scale and these seeds."""
        own = [] if self.seeds == "sheet" else [f"seeds={self.seeds}"]
        return [f"scale={self.scale}", *own, *([f"pilot={self.pilot}"] if self.pilot else [])]

    @property
    def most_seeds(self) -> int | None:
        """How many of a cell's seeds are run at most; None where all are."""
        return None if self.seeds == "sheet" else self.seeds

    @field_validator("seeds", mode="before")
    @classmethod
    def _a_number(cls, seeds: Any) -> Any:
        # of a union pydantic would explain the word alone
        if seeds != "sheet" and not re.fullmatch("[1-9][0-9]*", str(seeds)):
            raise ValueError("say `sheet`, or how many seeds of every cell, from 1")
        return seeds

    @model_validator(mode="after")
    def _one_choice_of_seeds(self) -> Config:
        if self.pilot and self.seeds != "sheet":
            raise ValueError("pilot and seeds: a pilot has seeds of its own; give one of the two")
        return self

    @field_validator("studies", mode="before")
    @classmethod
    def _one_study(cls, studies: Any) -> Any:
        # `--config studies=reuse,memory` reads better than a JSON list in quotes
        if isinstance(studies, str) and studies != "all":
            studies = [name.strip() for name in studies.split(",") if name.strip()]
        if studies in (None, []):
            raise ValueError("empty; say all, or some such as studies=reuse,memory")
        return studies


def flags_of(edition: str) -> str:
    """What a command says to mean an edition, such as `--scale laptop --seeds 3`."""
    scale, _, own = edition.partition("-")
    pilot, seeds = own.removeprefix("pilot-"), own.removesuffix("-seeds")
    flag = f" --seeds {seeds}" if seeds != own else f" --pilot {pilot}" if pilot != own else ""
    return f"--scale {scale}{flag}"


def load_config(raw: dict[str, Any]) -> Config:
    """Validate what Snakemake collected from the config file and the command line.

    Raises RetraceError: one line with the key, what is wrong, and the nearest known word.
    """
    return validate(Config, raw, "config")


def validate(model: type[M], raw: Any, place: str) -> M:
    """`model` built from `raw`; RetraceError with one line that starts with `place` when it does not fit."""
    try:
        made = model.model_validate(raw)
    except ValidationError as error:
        # a misspelt key explains the missing one that it was meant to be
        first = min(error.errors(), key=lambda problem: problem["type"] not in UNKNOWN_KEY)
        path = ".".join(str(part) for part in first["loc"])
        raise RetraceError(f"{place}: {_explain(model, first, path)}") from None
    for line in strange(raw, made.model_dump()):
        raise RetraceError(f"{place}: {line}")
    return made


def _explain(model: type[BaseModel], error: Any, path: str) -> str:
    if error["type"] in UNKNOWN_KEY:
        if re.fullmatch(r"\d+", str(error["loc"][-1])):
            return f"unknown key {path!r}; write decimals with a point, such as 0.01"
        names = _keys(model, error["loc"][:-1])
        hint = did_you_mean(str(error["loc"][-1]), names) if names else ""
        return f"unknown key {path!r}{hint}"
    if error["type"] == "literal_error":
        return f"{path}: {not_allowed(error)}"
    if error["loc"][-1:] == ("[key]",) and not isinstance(error["input"], str):
        return (
            f"{path.removesuffix('.[key]')}: the key {error['input']!r:.40} is not a name; put it in quotes"
        )
    said = error["msg"].removeprefix("Value error, ")
    return f"{path}: {said}, got {error['input']!r:.80}" if path else said


def _keys(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """The keys of what stands at `path`; none where that is neither a model nor a dataclass."""
    at: Any = model
    for part in path:
        if get_origin(at) is dict:
            at = get_args(at)[1]
        elif isinstance(at, type) and issubclass(at, BaseModel) and str(part) in at.model_fields:
            at = at.model_fields[str(part)].annotation
        else:
            return []
    if isinstance(at, type) and issubclass(at, BaseModel):
        return list(at.model_fields)
    return [field.name for field in fields(at)] if is_dataclass(at) else []
