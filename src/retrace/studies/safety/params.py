"""Parameters of the safety study's cells, stage by stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from retrace.llm.known import Model
from retrace.llm.training.steps import Settings
from retrace.metrics.unit_groups import Shares
from retrace.params import Name, StageParams
from retrace.strict import Strict

Share = Annotated[float, Field(gt=0, le=1)]
LONGEST = 16  # tokens of an answer; the judge, which loads torch, has the same bound
Order = Literal[
    "esu",
    "euu",
    "ru",
    "random",
    "matched_esu",
    "matched_euu",
    "matched_ru",
    "safety",
    "difference",
    "shuffled",
    "answers",
    "summed",
]


class RowCounts(Strict):
    """Rows drawn by seed; no row serves two purposes."""

    harmful: int = Field(ge=1, description="alignment: requests to refuse")
    benign: int = Field(ge=1, description="alignment: questions to answer")
    lookalike: int = Field(ge=0, description="alignment: harmless requests that look harmful, to answer")
    calibration: int = Field(ge=2, description="rows of each kind on which units are scored")
    attack: int = Field(ge=1, description="benign rows of the fine-tuning attack")


class ItemCounts(Strict):
    """Test items, the same for all seeds."""

    harmful: int = Field(ge=2)
    benign: int = Field(ge=1)
    lookalike: int = Field(ge=1)
    answered: int = Field(
        ge=1, description="first benign questions that the released and the aligned model answer"
    )
    scored: int = Field(ge=1, description="first benign questions whose reference answers are scored")
    few: int = Field(ge=1, description="first benign questions that all other networks answer")
    neutral: int = Field(ge=1, description="sentences of a neutral text whose likelihood is measured")
    tokens: int = Field(ge=1, le=LONGEST, description="longest answer")
    choices: int = Field(ge=3, description="multiple-choice questions")

    @model_validator(mode="after")
    def _nested(self) -> ItemCounts:
        if self.answered > self.benign:
            raise ValueError(
                f"answered {self.answered}: more than the benign questions ({self.benign}); lower it"
            )
        for name, count, of in (
            ("scored", self.scored, self.benign),
            ("few", self.few, self.answered),
        ):
            if count > of:
                raise ValueError(f"{name} {count}: more than there are ({of}); lower it")
        return self


class Variant(Strict):
    """A pruned network: the first `share` of all units in an order."""

    order: Order
    share: Share


class Freeze(Strict):
    """What a fine-tuning attack may not change."""

    kind: Literal["none", "safety", "random", "lower", "complex"]
    share: Share | None = Field(None, description="safety, random: of all units; safety: ESU, then top CU")
    layers: int | None = Field(None, ge=1, description="lower: first so many of the trained layers")

    @model_validator(mode="after")
    def _fits(self) -> Freeze:
        if (self.share is not None) != (self.kind in ("safety", "random")):
            raise ValueError(f"share: {self.kind} {'takes none' if self.share else 'needs one'}")
        if (self.layers is not None) != (self.kind == "lower"):
            raise ValueError(f"layers: {self.kind} {'takes none' if self.layers else 'needs some'}")
        return self


class Probe(Strict):
    """Distances of hidden states after a refusing or complying opening to those of the bare request."""

    prompts: int = Field(ge=1, description="first harmful test prompts")
    tokens: list[Annotated[int, Field(ge=1, le=LONGEST)]] = Field(
        min_length=1, description="after so many generated tokens"
    )

    @field_validator("tokens")
    @classmethod
    def _rise(cls, tokens: list[int]) -> list[int]:
        if tokens != sorted(set(tokens)):
            raise ValueError(f"tokens {tokens}: list them from few to many, each once")
        return tokens


class Texts(StageParams):
    """What is asked, and on how many items a network is tested."""

    texts: Literal["policy", "public"] = Field(description="policy: harmless stand-in; public: benchmarks")
    tests: ItemCounts


class Prepare(Texts):
    """How many rows serve which purpose."""

    rows: RowCounts


class Network(Texts):
    """The language model, and how it is computed."""

    model: Model
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of computing; what is trained stays float32"
    )
    kinds: Literal["neurons", "neurons+heads"] = "neurons+heads"


class Tuned(Network):
    """What fine-tuning may reach."""

    start: int = Field(ge=0, description="first trained layer")


class Ranked(Network):
    """How units are ranked."""

    scope: Literal["flap", "standardised", "raw", "per_module"] = Field(
        "flap", description="how unit scores of different layers and kinds are compared"
    )
    sizes: Literal["units", "weights"] = Field(
        "units", description="what shares are of; weights: a head counts as neurons of as many weights"
    )


class Grouped(Ranked):
    """How large the groups of units are."""

    shares: Shares


class Train(Tuned):
    """The alignment."""

    alignment: Settings


class Measure(Grouped):
    """What is pruned, and what is probed."""

    variants: dict[Name, Variant] = Field(min_length=1, description="pruned networks, <order>_<permille>")
    probe: Probe

    @field_validator("variants")
    @classmethod
    def _named_by_share(cls, variants: dict[str, Variant]) -> dict[str, Variant]:
        for name, variant in variants.items():
            right = f"{variant.order}_{round(variant.share * 1000)}"
            if name != right:
                raise ValueError(f"variants.{name}: by its order and share it is called {right}")
        return variants


class Defend(Train, Ranked):
    """The alignment within a budget of units."""

    budget: Share = Field(0.2, description="alignment budget: share of units that are trained")


class Attack(Tuned, Grouped):
    """Fine-tuning attacks on the aligned model."""

    tuning: Settings
    freezes: dict[Name, Freeze] = Field(min_length=1, description="fine-tuning attacks")


class Params(Prepare, Measure, Defend, Attack):
    """One cell: a model, texts, an alignment, and what is done to the aligned model."""

    @model_validator(mode="after")
    def _fits(self) -> Params:
        for name, freeze in self.freezes.items():
            if freeze.share is not None and freeze.share < self.shares.esu:
                raise ValueError(
                    f"freezes.{name}.share {freeze.share:g}: below shares.esu {self.shares.esu:g}; raise it"
                )
        if self.probe.prompts > self.tests.harmful:
            raise ValueError(f"probe.prompts {self.probe.prompts}: more than tests.harmful; lower it")
        return self
