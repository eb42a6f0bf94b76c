"""Parameters of the diffusion study's cells, stage by stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from retrace.params import ImageSet, Name, StageParams
from retrace.strict import Strict

LEAST = 20  # members of a domain: fewer, and an area under a curve says nothing
Step = Annotated[int, Field(ge=1)]
Guidance = Annotated[float, Field(ge=1)]


class Tuning(Strict):
    """One way to fine-tune the model, domain by domain."""

    kind: Literal["none", "full", "low_rank", "hyper", "words", "noise"]
    data: Literal["own", "clean", "domain", "real"] = Field(
        "own",
        description="images drawn by the model; by one without the members; for the calibration domain; "
        "real others",
    )
    dreambooth: bool = Field(False, description="one prompt for all images, none of them dropped")
    prior: bool = Field(False, description="half of a batch are images drawn for the calibration domain")
    rank: int = Field(4, ge=1)
    layers: Literal["attention", "unet", "everything"] = "unet"
    words: int = Field(1, ge=1, le=12, description="new words in place of the domain's name")
    sigma: float = Field(0.0, ge=0, description="of the noise added to every weight")
    steps: Step | None = Field(None, description="null: the cell's")
    images: Step | None = Field(None, description="of the set it is tuned on, the first so many; null: all")
    plain: bool = Field(False, description="the set is drawn without guidance")

    @model_validator(mode="after")
    def _fits(self) -> Tuning:
        if (self.kind == "noise") != (self.sigma > 0):
            raise ValueError(f"sigma {self.sigma:g}: goes with kind noise, and with no other")
        if self.prior and self.kind != "full":
            raise ValueError("prior: goes with kind full")
        if self.plain and self.data != "own":
            raise ValueError("plain: the model's own images alone are drawn without guidance")
        return self


class Counts(StageParams):
    """Domains and images."""

    domains: int = Field(ge=2, description="trained ones; the last is for calibration, the others are judged")
    members: int = Field(
        ge=LEAST, description="private images of a domain, and as many of the reference model"
    )
    others: int = Field(ge=LEAST, description="held-out images of a domain, the non-members")


class Prepare(Counts):
    """Which images."""

    dataset: ImageSet
    other: ImageSet | None = Field(None, description="the same classes from another source")
    strays: int = Field(150, ge=LEAST, description="non-members of a domain from elsewhere, at most")
    side: int = Field(16, ge=8, description="pixels a side that images are brought to")


class Network(StageParams):
    """The model."""

    widths: list[int] = Field([24, 48], min_length=2, description="channels of its levels")
    context: int = Field(32, ge=4, description="width of a prompt's tokens")
    patch: Literal[1, 2, 4] = 2
    noise_steps: int = Field(1000, ge=10, description="of the schedule")


class Pretraining(Network):
    """How the model is trained."""

    steps: int = Field(ge=2)
    batch: int = Field(ge=2)
    rate: float = Field(3e-3, gt=0)
    ema: float = Field(0.99, gt=0, lt=1)
    dropout: float = Field(0.1, ge=0, lt=1, description="share of empty prompts")


class Drawing(StageParams):
    """How images are drawn."""

    drawn: int = Field(ge=8, description="images of a domain")
    drawing_steps: int = Field(12, ge=1)
    guidance: Guidance = 2.0


class Train(Counts, Pretraining, Drawing):
    """The model, its reference, and the sets that they draw."""

    recognise_epochs: int = Field(12, ge=1, description="of the classifier that judges drawn images")


class Scoring(StageParams):
    """Where attacks look."""

    times: list[int] = Field([150, 400], min_length=1, description="steps of the loss attacks")


class Defend(Counts, Pretraining, Scoring):
    """The model trained otherwise, for half as long."""

    near: float = Field(0.14, gt=0, description="distance within which images count as near duplicates")
    epsilon: float = Field(10.0, gt=0)
    delta: float = Field(1e-5, gt=0, lt=1, description="of DP-SGD; a tenth of 1 / members of all or less")
    bound: float = Field(1.0, gt=0, description="of an image's gradient")
    private_steps: int = Field(12, ge=1)
    private_batch: int = Field(24, ge=1)


class Tunings(StageParams):
    """The ways to fine-tune."""

    tunings: dict[Name, Tuning] = Field(min_length=2)
    deep: list[Name] = Field(
        description="of these PIA and CLiD, other sources and drawn images are looked at, too"
    )


class Attack(Counts, Network, Drawing, Scoring, Tunings):
    """Fine-tuning, and what attacks see before and after."""

    tune_steps: Step = 30
    tune_batch: int = Field(16, ge=2)
    full_rate: float = Field(3e-4, gt=0)
    low_rank_rate: float = Field(2e-3, gt=0)
    hyper_rate: float = Field(5e-3, gt=0)
    words_rate: float = Field(1e-2, gt=0)
    hidden: int = Field(32, ge=1, description="of the hypernetwork's layers")
    pia_time: int = Field(200, ge=1)
    stride: int = Field(50, ge=1, description="of SecMI's inversion")
    stops: list[int] = Field([50, 100], min_length=1, description="SecMI's steps to choose from")


class Measure(Counts, Tunings):
    """What is made of the scores."""

    fpr: float = Field(0.01, gt=0, lt=1)


class Params(Prepare, Train, Defend, Attack, Measure):
    """One cell: a set of images, a model, and the ways to fine-tune it."""

    @model_validator(mode="after")
    def _fits(self) -> Params:
        if (plain := self.tunings.get("none")) is None or plain.kind != "none":
            raise ValueError("tunings.none: must be there with kind none: the others are held against it")
        for name in self.deep:
            if name not in self.tunings:
                raise ValueError(f"deep: {name} is no tuning of the cell")
        if "none" not in self.deep:
            raise ValueError("deep: none must be among them; attacks are chosen on it")
        late = [t for t in (*self.times, self.pia_time, *self.stops) if t >= self.noise_steps - self.stride]
        if late:
            raise ValueError(
                f"step {late[0]} lies too near the end of {self.noise_steps}; attack earlier ones"
            )
        if bad := [t for t in self.stops if t % self.stride]:
            raise ValueError(f"stops: {bad[0]} is no multiple of the stride {self.stride}")
        if self.drawing_steps > self.noise_steps:
            raise ValueError(f"drawing_steps {self.drawing_steps}: the schedule has {self.noise_steps}")
        if self.side % (self.patch * 2 ** (len(self.widths) - 1)):
            raise ValueError(
                f"side {self.side}: does not halve as often as `widths` and `patch` ask; take another"
            )
        if bad := [w for w in self.widths if w % 8]:
            raise ValueError(f"widths: {bad[0]} is no multiple of 8, the groups of its normalisation")
        members = self.domains * self.members
        if self.private_batch > members:
            raise ValueError(f"private_batch {self.private_batch}: more than all members; lower it")
        if self.delta * members > 0.1:
            raise ValueError(
                f"delta {self.delta:g}: more than a tenth of 1 / {members}, the members; "
                "one that large lets whole images out; lower it"
            )
        return self
