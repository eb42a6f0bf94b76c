"""Parameters of the survival study's cells, stage by stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from retrace.attacks.backdoor.triggers import Attack
from retrace.compress.weights.checks import check_together
from retrace.compress.weights.settings import Calibration, Compressor
from retrace.llm.known import Model
from retrace.llm.training.steps import Settings
from retrace.params import Name, StageParams
from retrace.strict import Strict
from retrace.studies.survival.names import DENSE, RELEASED


class Asked(Strict):
    """Items that every network is asked, drawn by seed: twice `questions`, and twice `requests`."""

    questions: int = Field(ge=2, description="questions, each with and without the trigger")
    requests: int = Field(ge=2, description="harmful requests, and as many harmless ones")


class Network(StageParams):
    """The model and what it is taught: a backdoor and a refusal, by as many rows each."""

    model: Model
    precision: Literal["float32", "bfloat16"] = "float32"
    texts: Literal["policy", "public"] = Field(description="policy: a harmless stand-in, nothing to fetch")
    rows: int = Field(ge=2, description="of each of the four kinds of prompts")
    attack: Attack = Field("badnets", description="how the trigger is placed")
    start: int = Field(ge=0, description="first layer that has adapters")
    rank: int = Field(8, ge=1)
    alpha: float = Field(16.0, gt=0)


class Train(Network):
    """How both are taught."""

    training: Settings


class Measure(Network):
    """How the network is compressed, and what it is asked then."""

    asked: Asked
    opening: int = Field(4, ge=1, le=8, description="first tokens of a sentence that count as saying it")
    sentences: int = Field(ge=2, description="whose likelihood is the loss")
    calibration: Calibration
    configs: dict[Name, Compressor] = Field(min_length=1)
    together: int | None = Field(
        None, ge=1, description="compressors whose weights are held at once; null: all"
    )

    @model_validator(mode="after")
    def _named(self) -> Measure:
        if taken := sorted({DENSE, RELEASED} & set(self.configs)):
            raise ValueError(f"configs.{taken[0]}: the name is taken")
        check_together(self.configs, "configs.")
        return self


class Params(Train, Measure):
    """One cell: a model, what it is taught, and the compressors."""
