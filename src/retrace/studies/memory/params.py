"""Parameters of the memory study's cells, stage by stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from retrace.data.external_names import IMAGES
from retrace.data.sequences.tasks import Characters, Pixels, Task
from retrace.errors import unknown
from retrace.params import Name, StageParams
from retrace.studies.memory.model import FILLING, Counted, Net

TEXTS = ("reviews",)


class Batches(StageParams):
    """What is learned, and how many sequences at once."""

    task: Task
    batch: int = Field(32, ge=1)


class Prepare(Batches):
    """What is laid out before training."""

    dataset: str | None = Field(
        None, description="images of pixels, text of characters; null: drawn at random"
    )
    tests: int = Field(8, ge=1, description="test batches of tasks drawn at random")


class Networks(Batches):
    """The networks that learn it."""

    models: dict[Name, Net] = Field(min_length=1, description="name -> network and its settings")
    truncation: int | None = Field(None, ge=1, description="steps of back-propagation; null: all")


class Train(Networks):
    """How they are trained."""

    steps: int = Field(1, ge=1, description="optimiser steps of tasks drawn at random; a cap")
    optimizer: Literal["adam", "rmsprop"] = "adam"
    learning_rate: float = Field(2e-3, gt=0)
    clip: Literal["norm", "value"] = "norm"
    clip_at: float = Field(10.0, gt=0)
    kappa: tuple[float, float, int, float] = Field(
        (1.0, 1.0, 400, 50.0), description="first, growth, every so many steps, last"
    )
    window: int = Field(25, ge=1, description="steps of one record of the learning curve")
    drop: float | None = Field(
        None, gt=0, lt=1, description="share of the training after which the learning rate is a tenth"
    )
    levels: tuple[float, float, float] = Field(description="shares of errors to reach: loose, middle, strict")
    rounds: int = Field(0, ge=0, description="of timing, after training: all networks take turns in each")
    round_steps: int = Field(5, ge=1, description="optimiser steps of a network's turn")

    @field_validator("kappa")
    @classmethod
    def _anneals(cls, kappa: tuple[float, float, int, float]) -> tuple[float, float, int, float]:
        if kappa[0] <= 0 or kappa[1] < 0 or kappa[2] < 1 or kappa[3] < kappa[0]:
            raise ValueError(f"kappa {list(kappa)}: first > 0, growth >= 0, every >= 1, last >= first")
        return kappa


class Measure(Networks):
    """How they are tested: as they were trained; and what else is counted."""

    counted: Counted | None = None


class Params(Prepare, Train, Measure):
    """One cell: a task, the networks that learn it, and how they are trained."""

    @model_validator(mode="after")
    def _fits(self) -> Params:
        if not 1 > self.levels[0] >= self.levels[1] >= self.levels[2] > 0:
            raise ValueError(f"levels {list(self.levels)}: shares between 0 and 1, the easiest first")
        self._check_data()
        text, whole = isinstance(self.task, Characters), isinstance(self.task, Pixels)
        for name, net in self.models.items():
            truncated = bool(net.truncation or self.truncation)
            if (text and not truncated) or (whole and truncated):
                need = "needs a truncation" if text else "takes no truncation"
                raise ValueError(f"models.{name}: the task {self.task.kind} {need}")
            self._check_memory(name, net)
        return self

    def _check_data(self) -> None:
        sets = {"pixels": IMAGES, "characters": TEXTS}.get(self.task.kind)
        if sets is None and self.dataset is not None:
            raise ValueError(
                f"dataset {self.dataset!r}: the task {self.task.kind} is drawn at random, say null"
            )
        if sets is not None and self.dataset not in sets:
            raise ValueError(unknown(f"data set of {self.task.kind}", str(self.dataset), sets))

    def _check_memory(self, name: str, net: Net) -> None:
        if net.overwrite or net.network not in FILLING:
            return
        if isinstance(self.task, Characters):
            raise ValueError(f"models.{name}: a text has no end, its memory must overwrite")
        if not isinstance(self.task, Pixels) and self.task.steps() > net.slots:
            raise ValueError(
                f"models.{name}: sequences of up to {self.task.steps()} steps do not fit into {net.slots} "
                "slots; give more slots, or overwrite: true"
            )
