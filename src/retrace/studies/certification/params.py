"""Parameters of the certification study's cells, stage by stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from retrace.compress.pruning.names import DENSE, check_pruner, check_share
from retrace.data.external_names import EXTERNAL, IMAGES
from retrace.errors import unknown
from retrace.nets.conv_block_names import SHAPES
from retrace.params import Group, Name, StageParams, image_set, known
from retrace.strict import Strict
from retrace.training.robust.settings import RobustSettings, changed

# of sets unpacked by hand the division does not know where the training part ends
DATASETS = tuple(name for name in IMAGES if name not in EXTERNAL or not EXTERNAL[name].by_hand)


class Method(Strict):
    """A chain of networks: a dense one, then one for each kept share."""

    pruner: Annotated[str, AfterValidator(check_pruner)] = Field(
        "none", description="none (a dense network) or how weights or channels are chosen"
    )
    kept: list[float] = Field(
        default_factory=list, description="shares of convolution weights (of channels) kept"
    )
    start: Name | None = Field(None, description="earlier method whose dense network this one starts from")
    masks: Name | None = Field(None, description="earlier method whose masks it takes, share by share")
    rewind: Literal["initial", "redrawn", "none"] = Field(
        "initial", description="weights before training again; none: the dense ones, and no more training"
    )
    training: dict[str, Any] = Field(
        default_factory=dict, description="what differs from the cell's training"
    )
    score_epochs: int = Field(2, ge=1, description="HYDRA: epochs of learning scores")
    score_rate: float = Field(1e-2, gt=0, description="HYDRA: their learning rate")
    complete: bool = Field(False, description="verify the chosen state by branch and bound too")
    complete_last: bool = Field(False, description="and the sparsest, where methods are equally sparse")

    @model_validator(mode="after")
    def _fits(self) -> Method:
        for share in self.kept:
            check_share(share)
        if list(self.kept) != sorted(set(self.kept), reverse=True):
            raise ValueError(f"kept {self.kept}: list shares from large to small, each once")
        if (self.pruner != "none" or self.masks is not None) != bool(self.kept):
            raise ValueError("kept: give shares to a pruner, and to none but a pruner")
        if self.pruner == "shuffled" and self.masks is None:
            raise ValueError("shuffled: masks must name the method whose layers keep as many weights")
        if self.masks is None and self.rewind == "none" and self.pruner in ("none", *DENSE):
            raise ValueError(f"rewind none: {self.pruner} prunes nothing")
        return self


class Verification(Strict):
    """How hard to attack and to verify."""

    crown_images: int = Field(200, ge=1, description="first test and validation images bounded by CROWN")
    complete_images: int = Field(32, ge=1, description="first test images that branch and bound decides")
    alpha_iterations: int = Field(20, ge=1)
    pgd_steps: int = Field(20, ge=1)
    pgd_restarts: int = Field(1, ge=1)
    domains: int = Field(200, ge=1, description="branch and bound: domains an image at most")
    iterations: int = Field(10, ge=0, description="branch and bound: optimisation steps of each domain")
    first: int = Field(20, ge=0, description="and of each margin before any split")
    refine: int = Field(0, ge=0, description="and of the bounds of hidden neurons; 0: plain CROWN")
    seconds: float | None = Field(None, gt=0, description="and seconds; results then depend on the machine")

    @model_validator(mode="after")
    def _nested(self) -> Verification:
        if self.complete_images > self.crown_images:
            raise ValueError(
                f"complete_images {self.complete_images}: more than crown_images {self.crown_images}"
            )
        return self


class Prepare(StageParams):
    """Which images, and how they are divided."""

    dataset: Annotated[str, image_set(DATASETS)]
    train_images: int | None = Field(None, ge=100, description="null: all that are left")
    validation_images: int = Field(200, ge=10, description="the sparsity is chosen on these alone")
    test_images: int | None = Field(800, ge=10)


class Train(StageParams):
    """The networks: how each is trained and pruned."""

    network: Annotated[str, known("network", SHAPES)] = "conv2"
    training: RobustSettings
    methods: dict[Name, Method] = Field(min_length=1)


class Measure(Train):
    """The networks, and how hard to attack and to verify them."""

    verification: Verification = Field(default_factory=lambda: Verification())


class Params(Prepare, Measure):
    """One cell: a setting (data, network, training) and some of its methods."""

    setting: Group = Field(description="cells that share it are one table: same data, weights, order")

    @model_validator(mode="after")
    def _methods_fit(self) -> Params:
        seen: dict[str, Method] = {}
        for name, method in self.methods.items():
            for role in (method.start, method.masks):
                if role is not None and role not in seen:
                    raise ValueError(f"methods.{name}: {unknown('earlier method', role, seen)}")
            if method.masks is not None:
                missing = set(method.kept) - set(seen[method.masks].kept)
                if missing:
                    raise ValueError(f"methods.{name}.kept: {method.masks} has no masks at {sorted(missing)}")
            changed(self.training, method.training)
            seen[name] = method
        return self
