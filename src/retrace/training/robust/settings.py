"""Settings of robust training; free of torch, so that planning is quick."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from retrace.strict import Strict

Mode = Literal["standard", "adversarial", "certified"]


class RobustSettings(Strict):
    """How one network trains, and how it trains again after each pruning step."""

    mode: Mode = Field("adversarial", description="standard, FGSM with GradAlign, or interval bounds")
    epsilon: float = Field(0.1, ge=0, description="radius of the L-infinity ball, images in [0, 1]")
    epochs: int = Field(6, ge=1)
    batch: int = Field(100, ge=2)
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    drops: list[int] = Field(default_factory=list, description="epochs from which the rate is a tenth less")
    clip: float = Field(8.0, gt=0, description="largest norm of the gradient")
    ramp_start: int = Field(0, ge=0, description="epoch, from 0, before which the radius is 0")
    ramp_length: int = Field(0, ge=0, description="epochs over which it rises")
    alignment: float = Field(0.2, ge=0, description="weight of GradAlign; adversarial mode")
    gradient_point: Literal["image", "doubled"] = Field(
        "image", description="where the attack takes its gradient; doubled: the published code's defect"
    )
    pixel_mean: list[float] = Field(
        default_factory=list,
        description="mean of each channel that the published code takes off; it moves the doubled point",
    )
    crown: bool = Field(False, description="mix CROWN-IBP into the interval bounds while the radius rises")
    stability: Literal["none", "rs", "nrs"] = "none"
    stability_weight: float = Field(0.01, ge=0)
    penalty_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of each batch on which GradAlign and adversarial NRS are estimated",
    )
    sparsity: float = Field(0.0, ge=0, description="weight of the mean scale of batch norms (Slim)")
    initial: Literal["default", "interval"] = Field("default", description="how weights are drawn at first")
    augment: Literal["none", "crop", "crop-flip"] = Field("none", description="padding 4, mirror images")

    @model_validator(mode="after")
    def _fits(self) -> RobustSettings:
        if self.ramp_start + self.ramp_length > self.epochs:
            raise ValueError(
                f"the radius is full after epoch {self.ramp_start + self.ramp_length}, training ends after "
                f"{self.epochs}; shorten the ramp"
            )
        return self


def changed(base: RobustSettings, changes: dict[str, Any]) -> RobustSettings:
    """The settings with some changed; a ValidationError of pydantic where these do not fit."""
    return RobustSettings.model_validate(base.model_dump() | changes)
