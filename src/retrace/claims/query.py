"""What a claim measures: which rows and columns, which statistic, compared with what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from retrace.claims.base import Strict
from retrace.claims.statistics import STATISTICS
from retrace.errors import did_you_mean

Scalar = bool | int | float | str
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Column = Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_]*|shuffled\([a-z][a-z0-9_]*\))$")]
Where = dict[str, Scalar | list[Scalar]]
Randomness = Literal["seeds", "items", "groups", "nothing"]


def _known_statistic(name: str) -> str:
    if name not in STATISTICS:
        raise ValueError(f"unknown statistic {name!r}{did_you_mean(name, STATISTICS)}")
    return name


StatisticName = Annotated[
    str, AfterValidator(_known_statistic), Field(json_schema_extra={"enum": [*STATISTICS]})
]


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
    random: Randomness | None = Field(
        None,
        description="what is a sample, as the study says if left out: seeds alone (rows are a designed grid, "
        "or each seed has its own); items, groups: these too, shared by all seeds; nothing: it is counted",
    )

    @model_validator(mode="after")
    def _fits(self) -> Evidence:
        wanted = STATISTICS[self.statistic].columns
        if len(self.of) != wanted:
            raise ValueError(f"of: {self.statistic} takes {wanted} column(s), not {len(self.of)}")
        if self.versus and self.versus.versus:
            raise ValueError("versus: cannot have a versus of its own")
        if self.random == "items" and not STATISTICS[self.statistic].smooth:
            raise ValueError(f"random: a {self.statistic} of items has no test here; say seeds")
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

    def one_side(self) -> Evidence:
        """This evidence with nothing subtracted."""
        return self.model_copy(update={"versus": None})

    def other_side(self) -> Evidence | None:
        """The evidence that `versus` describes, if any."""
        return self.one_side().varied(self.versus) if self.versus else None

    def is_vacuous(self) -> bool:
        """Whether something is compared with itself: the outcome is the same whatever the evidence."""
        twice = len(self.of) == 2 and self.of[0] == self.of[1]
        return twice or self.other_side() == self.one_side()

    def columns(self) -> set[str]:
        """Names of the table's columns that this evidence computes with."""
        other = self.other_side()
        return {base_column(c) for c in self.of} | (other.columns() if other else set())


def base_column(column: str) -> str:
    """The table's column behind `column` or `shuffled(column)`."""
    return column.removeprefix("shuffled(").removesuffix(")")
