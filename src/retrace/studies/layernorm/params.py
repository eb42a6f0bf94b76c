"""Parameters of the layernorm study's cells, stage by stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from retrace.data.texts.labelled_names import CATALOGUED, IMAGES, SETS
from retrace.llm.checkpoints import CHECKPOINTS
from retrace.params import Name, StageParams, known
from retrace.strict import Strict

Share = Annotated[float, Field(gt=0, lt=1)]


class Counts(Strict):
    """Rows drawn by seed, as many of each class as can be."""

    train: int = Field(ge=6)
    test: int = Field(ge=2)


class Settings(Strict):
    """Fine-tuning at a constant rate, without decay and warm-up; see `retrace.training.finetune`."""

    epochs: int = Field(ge=2)
    batch: int = Field(ge=1)
    rate: float = Field(gt=0)
    muon_rate: float = Field(0.02, gt=0)
    half: bool = Field(False, description="products in bfloat16")


class Run(Strict):
    """One fine-tuning of the checkpoint: what is reset and what is frozen before it begins."""

    kind: Literal["none", "norms", "random", "others"] = "none"
    group: Literal["all", "early", "middle", "late"] = "all"
    reset: bool = True
    freeze: bool = True
    form: Literal["classes", "token"] = "classes"
    optimiser: Literal["adam", "muon"] = "adam"
    noise: Share | None = Field(None, description="this run's share of wrong labels, if not the cell's")

    @model_validator(mode="after")
    def _does(self) -> Run:
        if self.kind != "none" and not (self.reset or self.freeze):
            raise ValueError(f"{self.kind}: neither reset nor frozen is a kept network; say kind none")
        return self


class Data(StageParams):
    """The set, and which rows of it."""

    texts: Annotated[str, known("set", SETS)]
    dataset: Name | None = Field(
        None, description="the set of data/catalogue.csv or torchvision, where it is one"
    )
    rows: Counts


class Prepare(Data):
    """How rows are drawn."""


class Network(Data):
    """The checkpoint, and the longest text it reads."""

    checkpoint: Annotated[str, known("checkpoint", CHECKPOINTS)]
    layers: int | None = Field(None, ge=3, description="the first so many of the checkpoint's; null: all")
    longest: int = Field(ge=4, le=512, description="tokens of a text")


class Noise(StageParams):
    """Wrong labels."""

    noise: Share = Field(description="of the whole training set")
    noisy_class: int = Field(ge=0, description="the class they are drawn from; all, where it is too small")


class Train(Network, Noise):
    """The runs, all from one checkpoint and with one order of rows."""

    tuning: Settings
    embedding: bool = Field(False, description="train the embedding of tokens, too")
    ends: bool = Field(True, description="`all` reaches the norms of the embedding and at the end, too")
    runs: dict[Name, Run] = Field(min_length=2)
    watched: int = Field(ge=1, description="test rows whose gradients are measured every epoch")

    @model_validator(mode="after")
    def _kept(self) -> Train:
        kept = self.runs.get("kept")
        if kept is None or kept.kind != "none":
            raise ValueError(
                "runs.kept: the network that all others are compared with is missing (kind none)"
            )
        for name, run in self.runs.items():
            if run.form == "token" and self.texts in IMAGES:
                raise ValueError(f"runs.{name}: images have no next-token form; leave it out")
        return self


class Measure(Network, Noise):
    """The bounds of theorem 2."""

    bounded: int = Field(ge=1, description="test rows whose Jacobians are measured")
    iterations: int = Field(ge=2, description="of the power method")


class Params(Prepare, Train, Measure):
    """One cell: a checkpoint, a set, and the runs."""

    level: float = Field(gt=0, le=1, description="accuracy on clean training rows at which runs are compared")
    noisy_loss: float = Field(gt=0, description="loss of noisy rows (nats) at which gradients are compared")

    @model_validator(mode="after")
    def _fits(self) -> Params:
        layers = self.layers or CHECKPOINTS[self.checkpoint].layers
        if layers % 3:
            raise ValueError(f"layers {layers}: not divisible by 3, so no early, middle and late third")
        if (self.texts in (*CATALOGUED, "cifar10")) != (self.dataset is not None):
            raise ValueError(
                f"dataset: {self.texts} {'needs its name' if self.dataset is None else 'has none'}"
            )
        if (self.texts in IMAGES) != CHECKPOINTS[self.checkpoint].images:
            raise ValueError(
                f"checkpoint {self.checkpoint}: cannot read {self.texts}; one reads texts or images"
            )
        for name in ("watched", "bounded"):
            if getattr(self, name) > self.rows.test:
                raise ValueError(f"{name} {getattr(self, name)}: more than rows.test; lower it")
        return self
