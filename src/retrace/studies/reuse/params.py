"""Parameters of the reuse study's cells."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from retrace.data import corruptions, external, tasks
from retrace.errors import unknown
from retrace.nets import names
from retrace.strict import Strict

DATASETS = ("fashion", "mnist", "digits", *external.EXTERNAL)


class Params(Strict):
    """One cell: a data set, a network, a kind of shift and how retraining is done."""

    dataset: str = Field(description="source data set, by its name in data/catalogue.csv or torchvision's")
    per_class: int | None = Field(None, ge=10, description="images of each class, in file order; null: all")
    reserve: int = Field(ge=1, description="images per class kept from training")
    test: int = Field(ge=1, description="images per class to test on, out of those reserved")
    network: str = Field(description="architecture, by its name in retrace.nets")
    shift: Literal["dist", "task"] = Field(
        "dist", description="distribution shift (ARM, PreIndex, RESQUE) or new task"
    )
    conditions: list[str] = Field(min_length=1, description="kind:intensity, or task:name")
    overflow: Literal["clip", "wrap"] = Field(
        "clip", description="values beyond white: clip, or wrap as in the official code"
    )
    other_dataset: str | None = Field(None, description="data set of the task `other`, resized")
    other_reserve: int = Field(40, ge=1, description="its test images per class, kept from training")
    epochs: int = Field(ge=1, description="epochs of source training")
    drop_at: int = Field(0, ge=0, description="epoch from which its learning rate is a tenth; 0: never")
    learning_rate: float = Field(1e-3, gt=0, description="Adam, source training")
    weight_decay: float = Field(1e-5, ge=0)
    batch: int = Field(32, ge=1)
    optimizer: Literal["adam", "sgd"] = Field("adam", description="retraining; sgd has momentum 0.9")
    retrain_rate: float = Field(gt=0, description="learning rate of retraining")
    target: float = Field(gt=0, le=1, description="test accuracy at which retraining stops")
    margins: list[tuple[float, float]] = Field(
        default_factory=list,
        max_length=2,
        description="(d, e): stop e epochs after accuracy first was target - d",
    )
    eval_every: int = Field(ge=1, description="steps between checks")
    max_epochs: float = Field(gt=0, description="cap; a run that reaches it is censored")
    index_images: int | None = Field(None, ge=100, description="retraining images for the indices; null: all")
    repetitions: int = Field(1, ge=1, description="retrainings per condition, averaged")

    @field_validator("dataset", "other_dataset")
    @classmethod
    def _known_dataset(cls, name: str | None) -> str | None:
        if name is not None and name not in DATASETS:
            raise ValueError(unknown("data set", name, DATASETS))
        return name

    @field_validator("network")
    @classmethod
    def _known_network(cls, name: str) -> str:
        if name not in names.NETWORKS:
            raise ValueError(unknown("network", name, names.NETWORKS))
        return name

    @model_validator(mode="after")
    def _conditions_fit(self) -> Params:
        for condition in self.conditions:
            if self.shift == "dist":
                if str(corruptions.parse(condition)) != condition.removesuffix(".0"):
                    raise ValueError(f"condition {condition!r}: write it {corruptions.parse(condition)}")
            elif not _is_task(condition):
                raise ValueError(f"condition {condition!r}: {unknown('task', condition, tasks.names(28))}")
        if self.test > self.reserve:
            raise ValueError(f"test {self.test}: more than the reserve of {self.reserve} images per class")
        if self.drop_at >= self.epochs:
            raise ValueError(f"drop_at {self.drop_at}: training ends after {self.epochs} epochs")
        if len(set(self.conditions)) < len(self.conditions):
            raise ValueError("conditions: one is listed twice")
        if "task:other" in self.conditions and not self.other_dataset:
            raise ValueError("the task `other` needs other_dataset")
        return self


def _is_task(condition: str) -> bool:
    name = condition.removeprefix("task:")
    return name in (*tasks.PLAIN, "other") or re.fullmatch(r"blocks\d+", name) is not None
