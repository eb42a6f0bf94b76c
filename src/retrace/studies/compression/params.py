"""Parameters of the compression study's cells, stage by stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from retrace.compress.weights.checks import check_together
from retrace.compress.weights.names import CALIBRATED
from retrace.compress.weights.settings import Calibration, Compressor
from retrace.errors import unknown
from retrace.llm.judges.trust.ethics import ACTS
from retrace.llm.judges.trust.names import KNOWN
from retrace.llm.judges.trust.shift import QUESTIONS
from retrace.llm.known import Model
from retrace.llm.training.steps import Settings
from retrace.params import Name, StageParams
from retrace.strict import Strict

OWN = {"ethics": len(ACTS), "knowledge": len(QUESTIONS)}  # pairs of our own; what is read has its own errors


Compressors = dict[Name, Compressor]


class Alignment(Strict):
    """How the released model learns to refuse: rows by kind, and the first layer that trains."""

    harmful: int = Field(ge=1)
    benign: int = Field(ge=1)
    lookalike: int = Field(ge=1)
    start: int = Field(ge=0)
    training: Settings


class Network(StageParams):
    """The dense network."""

    model: Model
    precision: Literal["float32", "bfloat16"] = "float32"
    alignment: Alignment | None = Field(None, description="null: the model refuses as it is released")


class Asked(Network):
    """What networks are asked."""

    dataset: Literal["reviews"] = Field("reviews", description="rated sentences of the catalogue")
    items: dict[str, Annotated[int, Field(ge=2)]] = Field(min_length=1, description="by dimension")
    drawn: int = Field(0, ge=0, description="which draw of the items; the pilot's is another")
    longest: int = Field(ge=8, description="characters of a text; longer ones cost more")
    sentences: int = Field(ge=2, description="whose likelihood is the loss")
    scoring: Literal["likelihood", "generation"] = Field(
        "likelihood", description="generation: answers in words, read by a parser"
    )
    new: int = Field(16, ge=1, le=16, description="tokens of an answer in words")
    calibration: Calibration
    together: int | None = Field(
        None, ge=1, description="compressors whose weights are held at once; null: all"
    )

    @model_validator(mode="after")
    def _known(self) -> Asked:
        for name in self.items:
            if name not in KNOWN:
                raise ValueError(unknown("dimension", name, KNOWN))
            if self.items[name] > OWN.get(name, self.items[name]):
                raise ValueError(f"items.{name} {self.items[name]}: there are {OWN[name]} pairs; lower it")
        return self


class Prepare(Asked):
    """The dense network, a smaller one, and compressors that no seed changes."""

    fixed: Compressors
    gate: dict[str, Annotated[int, Field(ge=2)]] = Field(
        {}, description="by dimension, further items by which it is decided whether it is measurable"
    )
    smaller: Model | None = Field(None, description="a smaller dense model, the paper's own control")

    @model_validator(mode="after")
    def _gated(self) -> Prepare:
        for name, count in self.gate.items():
            if name not in self.items:
                raise ValueError(f"gate.{unknown('dimension', name, self.items)}")
            if count + self.items[name] > OWN.get(name, count + self.items[name]):
                raise ValueError(
                    f"gate.{name} {count}: there are {OWN[name]} pairs and `items` takes {self.items[name]}; "
                    "lower one of them"
                )
        return self

    @model_validator(mode="after")
    def _free(self) -> Prepare:
        for name, config in self.fixed.items():
            if config.method in CALIBRATED:
                raise ValueError(
                    f"fixed.{name}: {config.method} depends on calibration; put it into `configs`"
                )
        return self


class Measure(Asked):
    """Compressors that look at calibration rows, drawn by the seed."""

    configs: Compressors = Field(min_length=1)


class Params(Prepare, Measure):
    """One cell: a model and all that is done to it."""

    @model_validator(mode="after")
    def _apart(self) -> Params:
        if twice := sorted({"dense", "smaller", *self.fixed} & set(self.configs)):
            raise ValueError(f"configs.{twice[0]}: the name is taken")
        check_together(self.fixed, "fixed.")
        check_together(self.configs, "configs.")
        return self
