"""Parameters of the quantization study's cells, stage by stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from retrace.compress.calibrating import Choice
from retrace.compress.quantizing.names import Ranges, Sampling, Weighting, check_bits
from retrace.data.attributed_names import ATTRIBUTED
from retrace.data.groups import Order
from retrace.nets.names import NETWORKS
from retrace.params import ImageSet, Name, StageParams, known
from retrace.strict import Strict

Bits = Annotated[int, AfterValidator(check_bits)]
Trained = Literal["full", "enlarged", "smaller"]
THIN = "thin-cnn"


class Quantizer(Strict):
    """How a trained network is rounded; nothing given: it stays as it is."""

    weights: Bits | None = None
    inputs: Bits | None = Field(None, description="bits of each layer's inputs, the activations")
    ends: Bits | None = Field(
        None, description="bits of the first and last layer instead; null: as the others"
    )
    per: Literal["channel", "tensor"] = "channel"
    ranges: Ranges = "minmax"
    calibration: Choice = "random"
    noise: bool = Field(False, description="errors of the same norms, drawn, in place of those of rounding")
    rescale: Literal["none", "variance", "outputs"] = Field(
        "none", description="one temperature: restores the logits' variance, or comes nearest to the outputs"
    )
    curvature: bool = Field(False, description="gradient norms and Hessian of every group, too")
    network: Trained = "full"


class Mitigation(Strict):
    """How a rounding network goes on training."""

    bits: Bits | None = Field(None, description="of weights and inputs; null: full precision")
    mixed: Literal["none", "mean", "worst"] = Field(
        "none", description="bits by layer, by the trace of all or of the group where it is largest"
    )
    budget: float | None = Field(
        None, ge=2, description="of mixed bits, bits a weight on average; null: `bits`"
    )
    learned: bool = Field(False, description="steps are learned, too (LSQ)")
    pruned: bool = Field(False, description="not rounded, but pruned by magnitude to as many bits in all")
    sampling: Sampling = "plain"
    weighting: Weighting = "none"

    @model_validator(mode="after")
    def _fits(self) -> Mitigation:
        if self.bits is None and (self.mixed != "none" or self.learned or self.pruned):
            raise ValueError("bits: mixed, learned and pruned need a number of bits")
        if self.pruned and (self.mixed != "none" or self.learned):
            raise ValueError("pruned: weights that are pruned are not rounded; leave out mixed and learned")
        if self.budget is not None and self.mixed == "none":
            raise ValueError("budget: goes with mixed bits")
        return self


class Prepare(StageParams):
    """Which images, which groups, and how unlike their sizes are."""

    dataset: ImageSet | None = Field(None, description="images whose groups are made of their classes")
    attributed: Annotated[str, known("set with an attribute", ATTRIBUTED)] | None = Field(
        None, description="or images whose groups are an attribute that is not the label"
    )
    groups: Literal["classes", "pairs", "attribute"] = "classes"
    most: int = Field(ge=2, description="training images of the largest group")
    ratio: float = Field(ge=1, description="largest over smallest group")
    test_per_group: int = Field(ge=2)
    order: Order = Field("drawn", description="whether a seed draws which group is how large")


class Nets(StageParams):
    """The networks."""

    network: Annotated[str, known("network", NETWORKS)] = "cnn"


class Train(Nets):
    """How networks are trained at full precision."""

    smaller: Annotated[str, known("network", (THIN, *NETWORKS))] = THIN
    thin: float = Field(0.125, gt=0, lt=1, description="thin-cnn: its share of the network's weights")
    enlarged: bool = Field(True, description="train it, too, with the smallest group as large as the largest")
    epochs: int = Field(15, ge=1)
    batch: int = Field(64, ge=1)
    learning_rate: float = Field(0.05, gt=0)
    weight_decay: float = Field(5e-4, ge=0)


class Calibrated(Train):
    """What ranges of activations are taken from."""

    calibration_images: int = Field(256, ge=2)


class Defend(Calibrated):
    """How rounding networks go on training."""

    tune_epochs: int = Field(3, ge=1)
    tune_rate: float = Field(0.005, gt=0)
    widths: list[Bits] = Field([2, 3, 4, 8], min_length=2, description="bits that mixed precision gives")
    trace_images: int = Field(100, ge=2, description="training images a group, at most, for traces")
    trace_probes: int = Field(10, ge=1)
    mitigations: dict[Name, Mitigation] = Field(default_factory=dict)


class Measure(Calibrated):
    """Which roundings are measured, and how closely."""

    methods: dict[Name, Quantizer] = Field(min_length=1)
    curvature_images: int = Field(100, ge=2, description="first test images of a group")
    probes: int = Field(10, ge=1, description="of the trace")
    pictured: list[Name] = Field(default_factory=list, description="methods whose logits a figure shows")


class Params(Prepare, Defend, Measure):
    """One cell: a data set with groups, a network, and what is done to it."""

    @model_validator(mode="after")
    def _fits(self) -> Params:
        if (self.dataset is None) == (self.attributed is None):
            raise ValueError("dataset: give this or attributed, and not both")
        if (self.groups == "attribute") != (self.attributed is not None):
            raise ValueError("groups: attribute goes with attributed, classes and pairs with dataset")
        if (
            (plain := self.methods.get("fp32")) is None
            or plain.weights
            or plain.inputs
            or not plain.curvature
        ):
            raise ValueError(
                "methods.fp32: must be there, unrounded, with curvature: others are held against it"
            )
        for name, method in self.methods.items():
            if method.network == "enlarged" and not self.enlarged:
                raise ValueError(f"methods.{name}: enlarged is false, so there is no such network")
        twice = sorted(self.methods.keys() & self.mitigations.keys())
        if twice:
            raise ValueError(f"mitigations.{twice[0]}: a method has that name")
        return self
