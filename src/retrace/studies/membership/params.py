"""Parameters of the membership study's cells, stage by stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from retrace.attacks.membership.names import ATTACKS, LABEL_ONLY, WHITE_BOX
from retrace.attacks.resolution import check_resolution
from retrace.data import spoil
from retrace.defenses.membership.settings import DpSgd, Method, Pptp, Srcm
from retrace.nets.target_names import check_target, perceptron
from retrace.params import Group, ImageSet, Name, StageParams, known


class Models(StageParams):
    """How many models there are."""

    models: int = Field(16, ge=6, description="each is target once and shadow of the others")


class Prepare(Models):
    """Which examples, and how they are divided."""

    dataset: ImageSet | None = Field(
        description="by its name in data/catalogue.csv or torchvision's; null: purchase-like"
    )
    change: str = Field("none", description="none, flip:SHARE of labels, or noise:SD of pixels")
    pool: int = Field(ge=20, description="examples; each model trains on a random half of them")
    reference: int = Field(ge=10, description="examples that a defence may use")
    population: int = Field(ge=10, description="non-members that attacks compare with")
    test: int = Field(ge=10, description="test examples at most")

    @field_validator("change")
    @classmethod
    def _known_change(cls, change: str) -> str:
        spoil.parse(change)
        return change


class Network(StageParams):
    """The network that every model is."""

    network: Annotated[str, AfterValidator(check_target)]


class Training(Network):
    """Plain training, from which defences depart."""

    epochs: int = Field(ge=1)
    batch: int = Field(64, ge=2)
    learning_rate: float = Field(0.05, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    decay: Literal["cosine", "steps", "constant"] = "cosine"


class Train(Models, Training):
    """Training without any defence."""

    checkpoints: int = Field(0, ge=0, description="epochs between looks at loss and norm of members; 0: none")


class Methods(StageParams):
    """The methods of the cell."""

    methods: dict[Name, Method] = Field(min_length=1, description="name -> defence and its settings")


class Defend(Models, Training, Methods):
    """Training under every method."""


class Attacks(StageParams):
    """The attacks on every method."""

    attacks: list[Annotated[str, known("attack", ATTACKS)]] = Field(min_length=1)
    sigmas: list[Annotated[float, Field(gt=0)]] = Field(
        [0.3, 1.0], min_length=1, description="standard deviations of noise that label-only attacks ask with"
    )
    copies: int = Field(5, ge=1, le=255, description="noisy copies of an example at each of `sigmas`")

    @property
    def by_label(self) -> bool:
        """Whether an attack asks for the labels of noisy copies."""
        return any(name.startswith(LABEL_ONLY) for name in self.attacks)


class Measure(Models, Network, Methods, Attacks):
    """What attacks see of every method's models."""


class Attack(Methods, Attacks):
    """The attacks, and what is reported of them."""

    fprs: list[float] = Field([0.01], min_length=1, description="false-positive rates to report the TPR at")

    @field_validator("attacks")
    @classmethod
    def _one_on_answers(cls, attacks: list[str]) -> list[str]:
        if all(name.startswith(WHITE_BOX) for name in attacks):
            raise ValueError("the strongest attack is one on answers; name one beside gradient norms")
        return attacks

    @field_validator("fprs")
    @classmethod
    def _rates(cls, fprs: list[float]) -> list[float]:
        for fpr in fprs:
            if not 0 < fpr < 1:
                raise ValueError(f"{fpr:g}: a false-positive rate lies between 0 and 1")
        return fprs


class Params(Prepare, Train, Defend, Measure, Attack):
    """One cell: a setting (data, network, plain training) and some of the methods to judge in it."""

    setting: Group = Field(description="name of data and network; cells that share it share plain training")

    @model_validator(mode="after")
    def _methods_fit(self) -> Params:
        for name, method in self.methods.items():
            why = _misfit(name, method, self)
            if why:
                raise ValueError(f"methods.{name}: {why}")
        return self

    @model_validator(mode="after")
    def _enough(self) -> Params:
        if self.models % 2 or self.pool % 2:
            raise ValueError(
                f"models {self.models}, pool {self.pool}: complementary halves need even numbers"
            )
        kind, share = spoil.parse(self.change)
        unflipped = self.pool - (round(share * self.pool) if kind == "flip" else 0)
        for fpr in self.fprs:
            check_resolution(self.models * unflipped // 2, fpr)
        return self


def _misfit(name: str, method: Method, cell: Params) -> str:
    """What is wrong with a method in this cell; empty if nothing is. The table trusts some names."""
    loss = getattr(method, "loss", None)
    known = perceptron(cell.network)
    if name == "none" and method.defence != "none":
        return "the name stands for no defence; call it otherwise"
    if name.startswith("stop_") and method.defence != "early-stopping":
        return "the name stands for early stopping; call it otherwise"
    if method.defence == "early-stopping" and method.epochs >= cell.epochs:
        return f"stops after {method.epochs} epochs of {cell.epochs}: plain training; stop earlier"
    if isinstance(loss, DpSgd) and loss.epochs != 1:
        return "loss.epochs has no effect; give the method's own epochs"
    if loss and loss.learning_rate is not None:
        return "loss.learning_rate has no effect; give the method's own learning_rate"
    if isinstance(method, Srcm) and method.width > 2 * method.radius:
        return (
            f"a ring of width {method.width:g} around radius {method.radius:g} has no inner edge; narrow it"
        )
    if isinstance(method, Pptp) and isinstance(method.region, list) and known:
        count = len(known[1]) + 1
        if not method.region or not all(0 <= block < count for block in method.region):
            return f"region {method.region}: the network has blocks 0 to {count - 1}"
    return ""
