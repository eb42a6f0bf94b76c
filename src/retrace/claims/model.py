"""What a claims file may say. Unknown keys are refused; the JSON schema comes from these models.

A claim takes a statistic of columns of its study's table (one row per seed, cell and condition),
computes it in each seed and each group of `within`, averages over groups, then over seeds,
and holds the outcome (for `versus`: the difference of two outcomes, group by group) against `expect`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, field_validator, model_validator

from retrace.claims.base import Strict, first_reason
from retrace.claims.expect import Expect
from retrace.claims.query import Evidence, Labelled, Slug, StatisticName, Variation, base_column
from retrace.claims.statistics import STATISTICS

SHUFFLED_REACH = 0.2  # correlations beyond which shuffles of some ten rows or more hardly ever come


class Published(Strict):
    """The paper's own number and the table or figure it stands in."""

    value: float
    where: str = Field(min_length=1)


class Testable(Strict):
    """Why a claim is out of this study's reach."""

    not_here: str = Field(min_length=1)


class Gate(Labelled):
    """What must hold before a claim can be tested: one side of its evidence, varied, with its own `expect`.

    For example that the networks compared beat a trivial rival; the value over all seeds decides.
    """

    expect: Expect


class Statement(Strict):
    """One sentence of a paper, or one of our questions to it; a claim makes it, a verdict is about it."""

    id: Slug
    says: str = Field(min_length=1, description="the claim in our words")
    where: str = Field(
        min_length=1, description="place in the paper; for our own questions, why they are asked"
    )
    origin: Literal["paper", "ours"] = "paper"
    primary: bool = Field(
        False,
        exclude_if=operator.not_,
        description="a sentence of the abstract: it goes before the paper's other claims",
    )
    kind: Literal["value", "order", "trend", "bound", "equivalence"]
    scope: Literal["exact setting", "reduced scale", "surrogate data"] = "reduced scale"


class Claim(Statement):
    """A statement as an assertion: what is measured, and what must come out."""

    evidence: Evidence | None = None
    expect: Expect | None = None
    published: Published | None = None
    control: Labelled | None = Field(None, description="what the claim must clearly beat")
    baselines: list[Labelled] = Field(default_factory=list)
    gate: list[Gate] = Field(
        default_factory=list, description="must hold, else the claim is not measurable here"
    )
    also: list[StatisticName] = Field(default_factory=list, description="reported beside, not judged")
    testable: Testable | None = None

    @model_validator(mode="after")
    def _complete(self) -> Claim:
        if self.primary and self.origin == "ours":
            raise ValueError("primary: our own questions are no sentences of the abstract; leave it out")
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
        for name, side, change in self._variations(self.evidence):
            try:
                side.varied(change).other_side()
            except ValueError as error:
                raise ValueError(f"{name}: {first_reason(error)}") from None
        if self.control and self.evidence.varied(self.control).is_vacuous():
            raise ValueError("control: compares something with itself, so it cannot fail; choose another")
        if self.control and self.evidence.varied(self.control) == self.evidence:
            raise ValueError("control: measures what the claim measures; give another of, where or versus")
        if self.control and self._excludes_shuffles(self.evidence.varied(self.control)):
            raise ValueError(
                f"control: a shuffled column cannot reach {self.expect.words()}, so it tests nothing; choose "
                "what might do as well, such as a trivial index"
            )
        return self

    def _excludes_shuffles(self, control: Evidence) -> bool:
        """Whether the control is a shuffle, and the threshold or a rival alone keeps it out."""
        assert self.expect is not None
        other = control.other_side()
        sides = [control, other] if other else [control]
        shuffled = [any(base_column(name) != name for name in side.of) for side in sides]
        least = max(self.expect.low, -self.expect.high)  # what the outcome must reach, either way
        return any(shuffled) and (least > SHUFFLED_REACH or (other is not None and not all(shuffled)))

    def companions(self) -> list[Variation]:
        """The claim's evidence under the statistics of `also`."""
        return [Variation(label=name, of=None, statistic=name) for name in self.also]

    def _variations(self, evidence: Evidence) -> Iterator[tuple[str, Evidence, Variation]]:
        if self.control:
            yield "control", evidence, self.control
        for index, baseline in enumerate(self.baselines):
            yield f"baselines.{index}", evidence, baseline
        for index, gate in enumerate(self.gate):
            yield f"gate.{index}", evidence.one_side(), gate
        for index, companion in enumerate(self.companions()):
            yield f"also.{index}", evidence, companion


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
