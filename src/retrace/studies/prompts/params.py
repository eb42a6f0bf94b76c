"""Parameters of the prompts study's cells, stage by stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from retrace.llm.known import Model
from retrace.llm.training.steps import Settings
from retrace.params import StageParams
from retrace.strict import Strict

TASKS = {"questions": None, "reviews": "reviews"}  # task -> its data set in the catalogue, if it has one
Share = Annotated[float, Field(gt=0, lt=1)]
Epsilon = Annotated[float, Field(gt=0, lt=100)]


class Counts(Strict):
    """Records drawn from a task; validation and test are the same for all seeds."""

    pool: int = Field(ge=8, description="records from which each seed draws its private ones")
    private: int = Field(ge=4, description="private records of a seed")
    validation: int = Field(ge=2)
    test: int = Field(ge=4, description="items of the methods that claims compare")
    few: int = Field(ge=4, description="first test items, which all other prompts answer")

    @model_validator(mode="after")
    def _nested(self) -> Counts:
        for name, count, of, most in (
            ("private", self.private, "pool", self.pool),
            ("few", self.few, "test", self.test),
        ):
            if count > most:
                raise ValueError(f"{name} {count}: more than {of} ({most}); lower it")
        return self


class Start(Strict):
    """How a prompt is asked for."""

    instruction: int = Field(0, ge=0, le=2, description="which instruction `improve` shows; 0: the initial")
    temperature: float | None = Field(None, gt=0, description="of its samples; null: the cell's")

    kind: Literal["improve", "infer"] = Field(
        description="improve: shows the instruction; infer: shows labelled texts alone"
    )
    hint: int = Field(0, ge=0, le=3, description="which of four style hints")


class Texts(StageParams):
    """The task and the model that answers it."""

    task: Literal["questions", "reviews"]
    dataset: str | None = Field(None, description="the task's data set in the catalogue; null: in packages")
    model: Model
    precision: Literal["float32", "bfloat16"] = "float32"
    words: int = Field(12, ge=4, description="longest text: longer ones cost more and say no more")
    calibrate: bool = Field(
        True, description="take out label bias by inputs without content, for all methods"
    )
    counts: Counts


class Tuned(Strict):
    """The fine-tuned copy that reads prompts."""

    records: int = Field(ge=2, description="public records it is tuned on")
    layers: int = Field(ge=1, description="last layers that train")
    training: Settings


class Prepare(Texts):
    """What needs no private choice: answers to the fixed public prompts, and the tuned copy."""

    tuned: Tuned


class Private(Texts):
    """What private methods may spend."""

    epsilons: list[Epsilon] = Field(min_length=1)
    delta: Share


class Soft(Strict):
    """How soft prompts are trained."""

    steps: int = Field(ge=1)
    share: Share = Field(description="of the private records, sampled for a step")
    rate: float = Field(gt=0)
    clip: float = Field(1.0, gt=0)


class Defend(Private):
    """The rival that trains."""

    soft: Soft | None = Field(None, description="null: no soft prompts, which cost more than all else")


class Dln(Strict):
    """DLN-1, the rival without privacy: steps that keep the best of a few prompts of one voter."""

    steps: int = Field(ge=1)
    prompts: int = Field(ge=1, description="a step")
    records: int = Field(ge=1, description="that the voter sees, drawn afresh for each step")
    temperature: float = Field(0.7, gt=0)
    patience: int = Field(2, ge=1, description="steps without a better prompt after which it stops")


class Train(Private):
    """How prompts are drawn."""

    groups: int = Field(ge=2, description="disjoint groups of private records, by keyed hash")
    voters: int = Field(ge=2, description="groups that vote on a token, drawn without replacement")
    starts: list[Start] = Field(min_length=1, description="prompts a method draws, one a start")
    longest: int = Field(ge=1, description="tokens of a prompt")
    temperature: float = Field(gt=0, description="of the voters' samples")
    delta0: Share = Field(description="of one token")
    top: int = Field(10, ge=1, description="largest bins among which LimitedDomain looks")
    fresh: Share | None = Field(
        None, description="share of the records sampled afresh for each token (poisson); null: not run"
    )
    dln: Dln
    shots: int = Field(1, ge=1, description="demonstrations a class, of in-context learning")

    @model_validator(mode="after")
    def _votes(self) -> Train:
        if self.groups > self.counts.private:
            raise ValueError(
                f"groups {self.groups}: more than private records ({self.counts.private}); lower it"
            )
        if self.dln.records > self.counts.private:
            raise ValueError(
                f"dln.records {self.dln.records}: more than private records ({self.counts.private}); lower it"
            )
        if self.voters > self.groups:
            raise ValueError(f"voters {self.voters}: more than groups ({self.groups}); lower it")
        if self.delta0 >= self.delta:
            raise ValueError(f"delta0 {self.delta0:g}: not below delta ({self.delta:g}); lower it")
        if self.delta > 1 / self.counts.private:
            raise ValueError(
                f"delta {self.delta:g}: above 1 over the private records ({self.counts.private}); lower it"
            )
        return self


class Setting(Strict):
    """Votes that are attacked: a token's epsilon, how many, how sampled, and the first one's lead."""

    epsilon0: Epsilon
    steps: int = Field(ge=1)
    rate: float = Field(1.0, gt=0, le=1)
    lead: int = Field(description="votes, even")


class Attack(StageParams):
    """The audit of the accountants by drawing."""

    audits: dict[str, Setting] = Field(min_length=1)
    trials: int = Field(ge=1000, description="transcripts of each world")
    audit_delta: Share
    audit_voters: int = Field(60, ge=10, description="voters of the worst votes, even")


class Measure(Train):
    """What prompts are tested on; the parameters that name the methods are those of `train`."""

    members: int = Field(
        ge=4, description="private records, and as many test records, of the membership attack"
    )
    readers: list[Model] = Field([], description="other models that read prompts")


class Params(Prepare, Measure, Defend, Attack):
    """One cell: a task, a model, and how prompts are drawn and tested."""

    @model_validator(mode="after")
    def _fits(self) -> Params:
        if self.dataset != TASKS[self.task]:
            raise ValueError(f"dataset {self.dataset!r}: task {self.task} takes {TASKS[self.task]!r}")
        if self.members > min(self.counts.private, self.counts.few):
            raise ValueError(f"members {self.members}: more than private or few; lower it")
        return self
