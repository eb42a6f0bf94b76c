"""Parameters of the dummy study's cells, stage by stage."""

from __future__ import annotations

from pydantic import Field

from retrace.params import ImageSet, StageParams


class Prepare(StageParams):
    """Which images."""

    dataset: ImageSet = Field(description="by its name in data/catalogue.csv")
    per_class: int = Field(ge=2, description="images per class, in file order")


class Train(StageParams):
    """The classifier."""

    ridge: float = Field(gt=0, description="penalty of the classifier")


class Attack(StageParams):
    """The noises it meets."""

    noises: list[float] = Field(min_length=3, description="standard deviations, white = 1")


class Measure(StageParams):
    """What counts as right."""

    top: int = Field(1, ge=1, description="an answer counts when it is among the first `top`")


class Params(Prepare, Train, Attack, Measure):
    """One cell: a data set, a classifier and the noises it meets."""
