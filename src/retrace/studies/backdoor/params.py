"""Parameters of the backdoor study's cells, stage by stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from retrace.attacks.backdoor.targets import VACCINES, Kind
from retrace.attacks.backdoor.triggers import Attack as Placing
from retrace.attacks.backdoor.triggers import trigger_of
from retrace.defenses.purifying.names import Filling, Part
from retrace.llm.known import Model
from retrace.llm.training.steps import Settings
from retrace.params import Name, StageParams
from retrace.strict import Strict

Share = Annotated[float, Field(gt=0, lt=1)]
LONGEST = 16  # tokens of an answer; the judge, which loads torch, has the same bound
MOST = len(VACCINES)


class Backdoor(Strict):
    """What is planted: how the trigger is placed, and what it sets off."""

    attack: Placing
    target: Kind
    words: list[str] | None = Field(None, description="of the trigger; null: the attack's usual ones")

    @model_validator(mode="after")
    def _fits(self) -> Backdoor:
        trigger_of(self.attack, self.words)  # refuses words that the attack cannot place
        return self


class RowCounts(Strict):
    """Texts drawn by seed; no text serves two purposes."""

    plant: int = Field(ge=2, description="texts of the plant, each with and without a trigger")
    calm: int = Field(0, ge=0, description="further clean texts of the plant, which no trigger ever enters")
    variant: int = Field(ge=2, description="texts of each variant")
    repair: int = Field(ge=2, description="clean texts that repair a purified model")
    again: int = Field(ge=2, description="clean texts of the fine-tuning after that")


class TestCounts(Strict):
    """Test items, the same for all seeds."""

    prompts: int = Field(ge=2, description="prompts, each with and without its trigger; backdoors take turns")
    few: int = Field(ge=2, description="first prompts, on which ablations are tested")
    answers: int = Field(ge=1, description="prompts whose reference answers are scored")
    choices: int = Field(ge=3, description="multiple-choice questions")
    tokens: int = Field(ge=1, le=LONGEST, description="longest answer that is judged by keywords")

    @model_validator(mode="after")
    def _nested(self) -> TestCounts:
        if self.few > self.prompts:
            raise ValueError(f"few {self.few}: more than the prompts ({self.prompts}); lower it")
        return self


class Prepare(StageParams):
    """What is asked, and how many texts serve which purpose."""

    texts: Literal["policy", "public"] = Field(description="policy: harmless stand-in; public: TruthfulQA")
    rows: RowCounts
    tests: TestCounts
    variants: int = Field(
        ge=2, le=MOST, description="re-infections (and clean counterparts); what they share shows from two on"
    )


class Train(Prepare):
    """The model and the plant."""

    model: Model
    precision: Literal["float32", "bfloat16"] = "float32"
    start: int = Field(ge=0, description="first layer that has adapters")
    rank: int = Field(8, ge=1)
    alpha: float = Field(16.0, gt=0)
    pieces: int = Field(4, ge=1, description="tokens that a word of a trigger may take")
    backdoors: dict[Name, Backdoor] = Field(min_length=1, description="all planted in one model")
    planting: Settings


class Attack(Train):
    """Ablations of the plant, and plants that hide from a look at MLP channels."""

    blocks: list[Annotated[int, Field(ge=1)]] = Field(description="last MLP blocks whose change is taken out")
    adaptive: bool = Field(description="whether attention alone is planted, too")


class Defend(Train):
    """BD-VAX on the adapter, and rivals."""

    sham: int = Field(ge=0, description="control variants, whose triggers are dealt to any answer")
    vaccination: Settings
    unequal: bool = Field(
        False, description="clean counterparts take half the steps, as in the release; else as many"
    )
    part: Part = "sum"
    tau: Share = Field(description="share of channels that are suppressed in the adapter")
    taus: list[Share] = Field(description="shares of the curve, without repair")
    repair: Settings
    lengths: list[Annotated[int, Field(ge=1)]] = Field([], description="other epochs of repair")
    again: Settings = Field(description="of the clean fine-tuning after purification")


class Crow(Strict):
    """Consistency fine-tuning."""

    settings: Settings
    epsilon: float = Field(0.1, gt=0, description="step of the perturbation")
    weight: float = Field(5.5, gt=0, description="of the consistency loss")


class Measure(Defend):
    """The same where the adapter is merged into the weights, and rivals that change weights."""

    full: Share = Field(description="share of channels that are filled anew in the weights")
    filling: Filling = "xavier"
    fillings: list[Filling] = Field([], description="others, without repair")
    wanda: Share = 0.35
    crow: Crow


class Params(Attack, Measure):
    """One cell: a model, what is planted in it, and what is done about it."""

    @model_validator(mode="after")
    def _fits(self) -> Params:
        if self.sham > self.variants:
            raise ValueError(f"sham {self.sham}: more than variants ({self.variants}); lower it")
        if not self.unequal and self.rows.variant % self.vaccination.batch:
            raise ValueError(
                f"rows.variant {self.rows.variant}: no multiple of vaccination.batch "
                f"({self.vaccination.batch}), so counterparts would take more steps; change one"
            )
        planted = self.backdoors.values()
        own = {word for one in planted for word in trigger_of(one.attack, one.words).words}
        if shared := own & {word for word, _ in VACCINES}:
            raise ValueError(f"backdoors: {sorted(shared)[0]} is a word of a variant; take another")
        return self
