"""Parameters of the reuse study's cells, stage by stage."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from retrace.data import corruptions, tasks
from retrace.errors import unknown
from retrace.nets import names
from retrace.params import ImageSet, StageParams, known


class Prepare(StageParams):
    """Which images, and how they are split."""

    dataset: ImageSet = Field(
        description="source data set, by its name in data/catalogue.csv or torchvision's"
    )
    per_class: int | None = Field(None, ge=10, description="images of each class, in file order; null: all")
    reserve: int = Field(ge=1, description="images per class kept from training")
    test: int = Field(ge=1, description="images per class to test on, out of those reserved")
    other_dataset: ImageSet | None = Field(None, description="data set of the task `other`, resized")
    other_reserve: int = Field(40, ge=1, description="its test images per class, kept from training")


class Shift(StageParams):
    """What becomes of the data."""

    shift: Literal["dist", "task"] = Field(
        "dist", description="distribution shift (ARM, PreIndex, RESQUE) or new task"
    )
    conditions: list[str] = Field(min_length=1, description="kind:intensity, or task:name")


class Attack(Shift):
    """How the data are shifted."""

    overflow: Literal["clip", "wrap"] = Field(
        "clip", description="values beyond white: clip, or wrap as in the official code"
    )


class Network(StageParams):
    """The network that is trained, then retrained."""

    network: Annotated[str, known("network", names.NETWORKS)] = Field(
        description="architecture, by its name in retrace.nets"
    )


class Steps(StageParams):
    """What training and retraining have in common."""

    weight_decay: float = Field(1e-5, ge=0)
    batch: int = Field(32, ge=1)


class Train(Network, Steps):
    """Training on the source images."""

    epochs: int = Field(ge=1, description="epochs of source training")
    drop_at: int = Field(0, ge=0, description="epoch from which its learning rate is a tenth; 0: never")
    learning_rate: float = Field(1e-3, gt=0, description="Adam, source training")


class Defend(Network, Steps, Shift):
    """Retraining on the shifted images, and when it ends."""

    optimizer: Literal["adam", "sgd"] = Field("adam", description="retraining; sgd has momentum 0.9")
    retrain_rate: float = Field(gt=0, description="learning rate of retraining")
    target: float | None = Field(None, gt=0, le=1, description="test accuracy at which retraining stops")
    below_clean: float | None = Field(
        None, ge=0, lt=1, description="or how far it may stay below the source network's clean test accuracy"
    )
    margins: list[tuple[float, float]] = Field(
        default_factory=list,
        max_length=2,
        description="(d, e): stop e epochs after accuracy first was target - d",
    )
    eval_every: int = Field(ge=1, description="steps between checks")
    max_epochs: float = Field(gt=0, description="cap; a run that reaches it is censored")
    repetitions: int = Field(1, ge=1, description="retrainings per condition, averaged")

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.target is None) == (self.below_clean is None):
            raise ValueError("give target or below_clean, and null for the other if the sheet's base has it")
        return self


class Measure(Network, Shift):
    """What the indices are computed from."""

    index_images: int | None = Field(None, ge=100, description="retraining images for the indices; null: all")


class Params(Prepare, Attack, Train, Defend, Measure):
    """One cell: a data set, a network, a kind of shift and how retraining is done."""

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
