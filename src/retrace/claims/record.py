"""What a verdict file says: one record a paper, with the verdict on each of its claims."""

from __future__ import annotations

import operator
from typing import Any, Literal

from pydantic import Field, field_serializer, field_validator

from retrace.claims.cost import Cost
from retrace.claims.expect import Expect
from retrace.claims.model import Published, Statement
from retrace.claims.query import Randomness
from retrace.claims.words import Code
from retrace.meter import MeterRecord
from retrace.strict import Strict

Interval = tuple[float | None, float | None]  # None: no finite end


def _is_one(number: int) -> bool:
    return number == 1


class Beside(Strict):
    """What was measured beside a claim (a baseline, another statistic), or the reason why nothing was."""

    label: str
    measured: float | None = None
    interval: Interval | None = None
    reason: str = Field("", exclude_if=operator.not_)


class Control(Beside):
    """What the claim must clearly beat; `passes` is None where it could not be measured.

    `specific`: the claim's value lies clearly (5 %, paired) beyond the control's, the way the claim asks.
    """

    passes: bool | None
    specific: bool


class Tested(Strict):
    """The test behind a verdict.

    `p` and `p_against` are the p values of "does not meet `expect`" and "meets it" at this look (of so many
    that are planned: `claims.looks`), `adjusted` the smallest one of all looks so far corrected for the looks
    and for the claim's family; `se` has `df` degrees of freedom (None: nothing varied, an exact test).
    """

    p: float
    p_against: float
    adjusted: float
    se: float | None
    df: float | None
    look: int = Field(1, exclude_if=_is_one)
    looks: int = Field(1, exclude_if=_is_one)


class WouldDecide(Strict):
    """What gives an open claim 80 % power if the truth is as measured; None: not within reach.

    `seeds` in all where there are `have`, at `cpu_seconds` for those to come (None: unknown); or `units`
    or groups with the present seeds, `units_at_most` with `most` seeds. `power` is the chance that `most`
    seeds of the present items decide, the truth being as uncertain as the evidence leaves it.
    """

    kind: Randomness
    seeds: int | None
    cpu_seconds: float | None
    have: int
    units: int | None
    units_at_most: int | None
    most: int
    power: float

    def words(self) -> str:
        """What to say after the reason of an open claim."""
        ways = []
        if self.seeds is not None:
            ways.append(f"{self.seeds} seeds")
        if self.units is not None:
            ways.append(f"{self.units} {self.kind}")
        elif self.units_at_most is not None:
            ways.append(f"{self.units_at_most} {self.kind} at {self.most} seeds")
        if not ways:
            return "no number of seeds would decide it" if self.kind == "seeds" else "nothing would decide it"
        return f"about {' or '.join(ways)} would decide it ({self.most} seeds: {self.power:.0%})"

    @property
    def price(self) -> str:
        """What the seeds to come cost, in words: apart, since it differs from run to run."""
        return "" if self.cpu_seconds is None else f"the seeds to come: {_time(self.cpu_seconds)}"


def _time(seconds: float) -> str:
    """CPU time in the unit that suits it."""
    if seconds < 5400:
        return f"{max(seconds / 60, 0.1):.2g} CPU min"
    return f"{seconds / 3600:.2g} CPU h"


class ClaimVerdict(Statement):
    """The verdict on one claim, and all that it rests on.

    `random` says what was a sample beside the seeds, `units` how many items or groups there were; `censored`
    is how many of the claim's rows are, and of how many. Without `test`, the reason says why.
    """

    expect: Expect | None
    published: Published | None
    statistic: str | None
    measured: float | None
    interval: Interval | None
    level: float
    random: Randomness | None
    seeds: int
    units: int
    test: Tested | None
    verdict: Code
    reason: str
    would_decide: WouldDecide | None
    control: Control | None
    baselines: list[Beside]
    also: list[Beside]
    censored: tuple[int, int] | None

    @property
    def told(self) -> str:
        """The reason, with the price of what would decide an open claim."""
        price = self.would_decide.price if self.would_decide else ""
        return "; ".join(filter(None, (self.reason, price)))

    @field_validator("expect", mode="before")
    @classmethod
    def _none_if_empty(cls, expect: Any) -> Any:
        return expect or None

    @field_serializer("expect")
    def _given_bounds(self, expect: Expect | None) -> dict[str, float]:
        return expect.model_dump(exclude_none=True) if expect else {}


class FigureCaption(Strict):
    """A figure of the paper by name, with the words below it."""

    caption: str
    name: str


class PaperVerdict(Strict):
    """The verdicts of one paper, what they cost (`meters`: by evidence file), and what belongs to them."""

    schema_version: Literal[2] = Field(2, alias="schema")
    paper: str
    title: str
    study: str
    scale: str
    claims: list[ClaimVerdict]
    cost: Cost
    meters: dict[str, MeterRecord]
    environment: dict[str, str]
    figures: list[FigureCaption]
