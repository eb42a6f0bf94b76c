"""Parameters of the forgetting study's cells, stage by stage."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from retrace.data.texts.labelled_names import CATALOGUED, HUB
from retrace.llm.checkpoints import CHECKPOINTS
from retrace.params import Name, StageParams, known
from retrace.strict import Strict

TEXTS = ("keywords", *CATALOGUED, *HUB)
Share = Annotated[float, Field(gt=0, lt=1)]


class Counts(Strict):
    """Rows drawn by seed."""

    train: int = Field(ge=6)
    test: int = Field(ge=6)


class Settings(Strict):
    """Fine-tuning with Adam at a constant rate."""

    epochs: int = Field(ge=1)
    batch: int = Field(ge=1)
    rate: float = Field(gt=0)
    half: bool = Field(False, description="products in bfloat16")


class Network(StageParams):
    """The checkpoint and the texts that it reads."""

    checkpoint: Annotated[str, known("checkpoint", CHECKPOINTS)]
    layers: int | None = Field(None, ge=1, description="the first so many of the checkpoint's; null: all")
    texts: Annotated[str, known("set of texts", TEXTS)]
    dataset: Name | None = Field(None, description="the set of data/catalogue.csv, where it is one")
    rows: Counts
    longest: int = Field(ge=4, le=512, description="tokens of a text")
    wrong: Share = Field(description="of the training rows, that are given another label")


class Train(Network):
    """How it is fine-tuned, with its LayerNorms, without, and without as many parameters of another kind."""

    tuning: Settings


class Measure(Network):
    """How the network is damaged after training, from little to much."""

    levels: list[Annotated[int, Field(ge=2)]] = Field(
        min_length=2, description="that a row's weights are rounded to; 16 are 4 bits"
    )
    pruned: list[Share] = Field(min_length=2, description="shares of each matrix that are set to 0")
    noise: list[Annotated[float, Field(gt=0)]] = Field(
        min_length=2, description="norms of Gaussian noise, as shares of each matrix's own"
    )
    half: bool = Field(False, description="products in bfloat16")

    @model_validator(mode="after")
    def _grows(self) -> Measure:
        if self.levels != sorted(set(self.levels), reverse=True):
            raise ValueError(f"levels {self.levels}: write them falling, so that damage grows")
        for name in ("pruned", "noise"):
            values = getattr(self, name)
            if values != sorted(set(values)):
                raise ValueError(f"{name} {values}: write them rising, so that damage grows")
        return self


class Params(Train, Measure):
    """One cell: a checkpoint, a set, and the damage."""

    lost: Share = Field(description="of test accuracy (above chance), where kinds of damage are compared")

    @model_validator(mode="after")
    def _fits(self) -> Params:
        about = CHECKPOINTS[self.checkpoint]
        if about.images:
            raise ValueError(f"checkpoint {self.checkpoint}: reads images, not texts; take another")
        if self.layers is not None and self.layers > about.layers:
            raise ValueError(f"layers {self.layers}: {self.checkpoint} has {about.layers}; lower it")
        if (self.texts in CATALOGUED) != (self.dataset is not None):
            raise ValueError(
                f"dataset: {self.texts} {'needs its name' if self.dataset is None else 'has none'}"
            )
        return self
