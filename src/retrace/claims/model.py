"""What a claims file may say. Unknown keys are refused; the JSON schema comes from these models.

A claim takes a statistic of columns of its study's table (one row per seed, cell and condition),
computes it in each seed and each group of `within`, averages over groups, then over seeds,
and holds the outcome (for `versus`: the difference of two outcomes, group by group) against `expect`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from retrace.claims.statistics import STATISTICS
from retrace.errors import did_you_mean
from retrace.stats.correlation import Array

Scalar = bool | int | float | str
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Column = Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_]*|shuffled\([a-z][a-z0-9_]*\))$")]
Where = dict[str, Scalar | list[Scalar]]
ROUNDING = 1e-9  # of a mean of correlations that should be exactly at a bound


def _known_statistic(name: str) -> str:
    if name not in STATISTICS:
        raise ValueError(f"unknown statistic {name!r}{did_you_mean(name, STATISTICS)}")
    return name


StatisticName = Annotated[
    str, AfterValidator(_known_statistic), Field(json_schema_extra={"enum": [*STATISTICS]})
]


class Strict(BaseModel):
    """Base of the models: frozen, and an unknown key is an error that names the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(f"unknown key {str(key)!r}{did_you_mean(str(key), cls.model_fields)}")
        return data


class Expect(Strict):
    """The outcomes that make a claim true: an interval, fixed before the run."""

    at_least: float | None = None
    above: float | None = Field(None, description="as at_least, but the bound itself is not enough")
    at_most: float | None = None
    below: float | None = Field(None, description="as at_most, but the bound itself is not enough")
    value: float | None = Field(None, description="a number to come near to, with `within`; 0 if left out")
    within: float | None = Field(None, gt=0, description="largest distance from `value`")

    @model_validator(mode="after")
    def _one_interval(self) -> Expect:
        given = self.model_dump(exclude_none=True)
        if not given or ("value" in given and "within" not in given):
            raise ValueError("say at_least, above, at_most or below, or within (with or without value)")
        if ("within" in given and given.keys() - {"value", "within"}) or {
            "at_least",
            "above",
        } <= given.keys():
            raise ValueError("give one lower and one upper bound at most, or within, not both")
        if {"at_most", "below"} <= given.keys() or not self.low < self.high:
            raise ValueError("give one upper bound at most, and above the lower one")
        return self

    @property
    def low(self) -> float:
        """Lower end, minus infinity where there is none."""
        if self.within is not None:
            return (self.value or 0.0) - self.within
        return next((b for b in (self.at_least, self.above) if b is not None), -math.inf)

    @property
    def high(self) -> float:
        """Upper end, infinity where there is none."""
        if self.within is not None:
            return (self.value or 0.0) + self.within
        return next((b for b in (self.at_most, self.below) if b is not None), math.inf)

    def meets(self, outcome: float | Array) -> npt.NDArray[np.bool_]:
        """Whether each outcome lies inside, give or take rounding errors; a nan does not."""
        return np.asarray(self.meets_low(outcome) & self.meets_high(outcome))

    def meets_low(self, outcome: float | Array) -> npt.NDArray[np.bool_]:
        """Whether each outcome respects the lower end."""
        if self.above is not None:
            return np.asarray(np.asarray(outcome) > self.low + ROUNDING)
        return np.asarray(np.asarray(outcome) >= self.low - ROUNDING)

    def meets_high(self, outcome: float | Array) -> npt.NDArray[np.bool_]:
        """Whether each outcome respects the upper end."""
        if self.below is not None:
            return np.asarray(np.asarray(outcome) < self.high - ROUNDING)
        return np.asarray(np.asarray(outcome) <= self.high + ROUNDING)


class Variation(Strict):
    """Evidence with something else in place: a control, a baseline, or the other side of an order."""

    label: str = ""
    of: Column | list[Column] | None = Field(
        None, description="one column replaces the first of `of`, a list all"
    )
    statistic: StatisticName | None = None
    where: Where | None = None
    versus: Variation | None = None


class Labelled(Variation):
    """A control or baseline; its label appears in tables and figures."""

    label: str = Field(min_length=1)


class Evidence(Strict):
    """Which rows, which columns, which statistic, and what is resampled."""

    study: Slug
    cells: list[str] = Field(["*"], min_length=1, description="names or patterns such as *-cnn, at any scale")
    statistic: StatisticName
    of: list[Column] = Field(min_length=1, max_length=2)
    within: list[str] = Field(
        default_factory=list, description="columns that make the groups; none: one group a seed"
    )
    where: Where = Field(default_factory=dict, description="rows kept: column -> value or list of values")
    versus: Variation | None = Field(None, description="what is subtracted, group by group")
    resample: Literal["rows", "groups", "seeds"] = Field(
        "rows", description="rows within groups or whole groups, beside the seeds (bootstrap); seeds: t test"
    )

    @model_validator(mode="after")
    def _fits(self) -> Evidence:
        wanted = STATISTICS[self.statistic].columns
        if len(self.of) != wanted:
            raise ValueError(f"of: {self.statistic} takes {wanted} column(s), not {len(self.of)}")
        if self.versus and self.versus.versus:
            raise ValueError("versus: cannot have a versus of its own")
        if self.versus and self.versus.where is not None and self.resample == "rows":
            raise ValueError(
                "versus: other rows than the first side's cannot be paired; resample groups or seeds"
            )
        return self

    def varied(self, change: Variation) -> Evidence:
        """This evidence with what `change` gives in place of its own; ValueError if that does not fit."""
        given: dict[str, Any] = {
            k: getattr(change, k) for k in ("statistic", "where") if getattr(change, k) is not None
        }
        if change.of is not None:
            given["of"] = [change.of, *self.of[1:]] if isinstance(change.of, str) else change.of
        if change.versus is not None:
            given["versus"] = change.versus
        return Evidence.model_validate(dict(self) | given)

    def other_side(self) -> Evidence | None:
        """The evidence that `versus` describes, if any."""
        return self.model_copy(update={"versus": None}).varied(self.versus) if self.versus else None

    def columns(self) -> set[str]:
        """Names of the table's columns that this evidence computes with."""
        other = self.other_side()
        return {base_column(c) for c in self.of} | (other.columns() if other else set())


class Published(Strict):
    """The paper's own number and the table or figure it stands in."""

    value: float
    where: str = Field(min_length=1)


class Testable(Strict):
    """Why a claim is out of this study's reach."""

    not_here: str = Field(min_length=1)


class Claim(Strict):
    """One sentence of a paper (or one of our questions to it) as an assertion."""

    id: Slug
    says: str = Field(min_length=1, description="the claim in our words")
    where: str = Field(
        min_length=1, description="place in the paper; for our own questions, why they are asked"
    )
    origin: Literal["paper", "ours"] = "paper"
    kind: Literal["value", "order", "trend", "bound", "equivalence"]
    evidence: Evidence | None = None
    expect: Expect | None = None
    published: Published | None = None
    control: Labelled | None = Field(None, description="must not satisfy `expect`")
    baselines: list[Labelled] = Field(default_factory=list)
    also: list[StatisticName] = Field(default_factory=list, description="reported beside, not judged")
    scope: Literal["exact setting", "reduced scale", "surrogate data"] = "reduced scale"
    testable: Testable | None = None

    @model_validator(mode="after")
    def _complete(self) -> Claim:
        if self.testable:
            return self
        missing = [name for name in ("evidence", "expect", "control") if getattr(self, name) is None]
        if missing or self.evidence is None or self.expect is None:
            raise ValueError(f"missing {', '.join(missing)} (or say testable: {{not_here: the reason}})")
        if self.kind in ("order", "equivalence") and self.evidence.versus is None:
            raise ValueError(f"evidence.versus: a claim of kind {self.kind} compares two sides")
        if self.kind == "trend" and not STATISTICS[self.evidence.statistic].correlates:
            raise ValueError(
                f"evidence.statistic: a trend needs a correlation, not {self.evidence.statistic}"
            )
        if self.kind in ("value", "equivalence") and not math.isfinite(self.expect.high - self.expect.low):
            raise ValueError(f"expect: a claim of kind {self.kind} needs both ends, such as within")
        for name, change in self.variations():
            try:
                self.evidence.varied(change).other_side()
            except ValueError as error:
                raise ValueError(f"{name}: {first_reason(error)}") from None
        return self

    def variations(self) -> Iterator[tuple[str, Variation]]:
        """Control, baselines and companions, each with its place in the file."""
        if self.control:
            yield "control", self.control
        for index, baseline in enumerate(self.baselines):
            yield f"baselines.{index}", baseline
        for index, name in enumerate(self.also):
            yield f"also.{index}", Variation(label=name, statistic=name)


class PaperClaims(Strict):
    """The claims of one paper."""

    paper: Slug
    title: str = Field(min_length=1)
    claims: list[Claim] = Field(min_length=1)

    @field_validator("claims")
    @classmethod
    def _distinct(cls, claims: list[Claim]) -> list[Claim]:
        ids = [claim.id for claim in claims]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"id used more than once: {', '.join(twice)}")
        return claims


def base_column(column: str) -> str:
    """The table's column behind `column` or `shuffled(column)`."""
    return column.removeprefix("shuffled(").removesuffix(")")


def first_reason(error: ValueError) -> str:
    """The message of an error without pydantic's framing."""
    details = getattr(error, "errors", None)
    return str(details()[0]["msg"] if details else error).removeprefix("Value error, ")
