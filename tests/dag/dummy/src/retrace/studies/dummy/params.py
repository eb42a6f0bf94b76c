"""Parameters of the dummy study's cells."""

from __future__ import annotations

from pydantic import Field

from retrace.strict import Strict


class Params(Strict):
    """One cell: a data set, a classifier and the noises it meets."""

    dataset: str = Field(description="by its name in data/catalogue.csv")
    per_class: int = Field(ge=2, description="images per class, in file order")
    ridge: float = Field(gt=0, description="penalty of the classifier")
    noises: list[float] = Field(min_length=3, description="standard deviations, white = 1")
    top: int = Field(1, ge=1, description="an answer counts when it is among the first `top`")
