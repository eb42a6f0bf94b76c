"""Parameters of the membership study's cells."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from retrace.data import external, spoil
from retrace.defenses.membership.settings import Hamp, Method, Pptp, Srcm
from retrace.errors import unknown
from retrace.nets.target_names import check_target, perceptron
from retrace.strict import Strict

DATASETS = ("fashion", "mnist", "digits", *external.EXTERNAL)
METRICS = ("loss", "confidence", "entropy", "modified_entropy", "correctness")
ATTACKS = (
    *(name + end for name in (*METRICS, "gradient_input", "gradient_weights") for end in ("", "_per_class")),
    *("attack_r", "attack_p", "difficulty_calibration", "nn"),
    *(f"{name}_{side}" for name in ("lira", "rmia") for side in ("online", "offline")),
)
LEAST_FALSE_POSITIVES = 10
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")]
Group = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]*$")]


class Params(Strict):
    """One cell: a setting (data, network, plain training) and some of the methods to judge in it."""

    setting: Group = Field(description="name of data and network; cells that share it share plain training")
    dataset: str | None = Field(
        description="by its name in data/catalogue.csv or torchvision's; null: purchase-like"
    )
    change: str = Field("none", description="none, flip:SHARE of labels, or noise:SD of pixels")
    pool: int = Field(ge=100, description="examples; each model trains on a random half of them")
    reference: int = Field(ge=10, description="examples that a defence may use")
    population: int = Field(ge=10, description="non-members that attacks compare with")
    test: int = Field(ge=10, description="test examples at most")
    network: str
    models: int = Field(16, ge=8, description="each is target once and shadow of the others")
    epochs: int = Field(ge=1)
    batch: int = Field(64, ge=2)
    learning_rate: float = Field(0.05, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    decay: Literal["cosine", "steps", "constant"] = "cosine"
    checkpoints: int = Field(0, ge=0, description="epochs between looks at loss and norm of members; 0: none")
    methods: dict[Name, Method] = Field(min_length=1, description="name -> defence and its settings")
    attacks: list[str] = Field(min_length=1)
    fprs: list[float] = Field([0.01], min_length=1, description="false-positive rates to report the TPR at")

    @field_validator("dataset")
    @classmethod
    def _known_dataset(cls, name: str | None) -> str | None:
        if name is not None and name not in DATASETS:
            raise ValueError(unknown("data set", name, DATASETS))
        return name

    @field_validator("network")
    @classmethod
    def _known_network(cls, name: str) -> str:
        return check_target(name)

    @field_validator("change")
    @classmethod
    def _known_change(cls, change: str) -> str:
        spoil.parse(change)
        return change

    @field_validator("fprs")
    @classmethod
    def _rates(cls, fprs: list[float]) -> list[float]:
        for fpr in fprs:
            if not 0 < fpr < 1:
                raise ValueError(f"{fpr:g}: a false-positive rate lies between 0 and 1")
        return fprs

    @model_validator(mode="after")
    def _methods_fit(self) -> Params:
        for name, method in self.methods.items():
            why = _misfit(name, method, self)
            if why:
                raise ValueError(f"methods.{name}: {why}")
        return self

    @model_validator(mode="after")
    def _enough(self) -> Params:
        for attack in self.attacks:
            if attack not in ATTACKS:
                raise ValueError(unknown("attack", attack, ATTACKS))
        if self.models % 2 or self.pool % 2:
            raise ValueError(
                f"models {self.models}, pool {self.pool}: complementary halves need even numbers"
            )
        non_members = self.models * self.pool // 2
        for fpr in self.fprs:
            if non_members * fpr * (1 + 1e-12) < LEAST_FALSE_POSITIVES:
                raise ValueError(
                    f"fprs: {fpr:g} needs {LEAST_FALSE_POSITIVES / fpr:.0f} non-members over all targets, "
                    f"there are {non_members}; enlarge pool or models, or ask for "
                    f"{LEAST_FALSE_POSITIVES / non_members:.2g}"
                )
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
    if loss and loss.learning_rate is not None:
        return "loss.learning_rate has no effect; give the method's own learning_rate"
    if isinstance(loss, Hamp) and loss.rewrite:
        return "hamp inside another method only trains; say rewrite: false"
    if isinstance(method, Srcm) and method.width > 2 * method.radius:
        return (
            f"a ring of width {method.width:g} around radius {method.radius:g} has no inner edge; narrow it"
        )
    if isinstance(method, Pptp) and isinstance(method.region, list) and known:
        count = len(known[1]) + 1
        if not method.region or not all(0 <= block < count for block in method.region):
            return f"region {method.region}: the network has blocks 0 to {count - 1}"
    return ""
