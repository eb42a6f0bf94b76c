"""What the stages of a cell share: its task, records by purpose, the model, and answers under a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from retrace.data.sequences.reviews import unpack
from retrace.data.texts import answer_types
from retrace.device import current
from retrace.llm.load import LanguageModel, load
from retrace.llm.prompts.classify import Template, bias, likelihoods, prompted
from retrace.seeds import generator
from retrace.stage import Inputs, StageError

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Texts, Train

Floats = npt.NDArray[np.float64]
MOST = 300  # questions a class: the rarest has 154
# of each task: its labels, the initial instruction, and others that anybody might write
LABELS = {"questions": answer_types.LABELS, "reviews": ("negative", "positive")}
INITIAL = {
    "questions": "Classify the question by the type of its answer.",
    "reviews": "Classify the sentiment of the text.",
}
PUBLIC = {
    "questions": (
        "Classify the text.",
        "Is it about a person, a time, a place, a thing, a number or a method?",
    ),
    "reviews": (
        "Classify the text.",
        "Is the review negative or positive?",
    ),
}


@dataclass(frozen=True)
class Record:
    """A text and its class."""

    text: str
    label: int


@dataclass(frozen=True)
class Pools:
    """Records by purpose: no text serves two."""

    pool: tuple[Record, ...]
    validation: tuple[Record, ...]
    test: tuple[Record, ...]
    spare: tuple[Record, ...]


class Answers(NamedTuple):
    """Log-probabilities of the labels (N,labels), and label bias (labels,), taken out if the cell says so."""

    values: Floats
    bias: Floats

    def uncalibrated(self, params: Texts) -> Floats:
        """The values with the bias in them."""
        return self.values + self.bias if params.calibrate else self.values


def instructions(task: str) -> tuple[str, ...]:
    """The initial instruction, then the public ones."""
    return (INITIAL[task], *PUBLIC[task])


def pools(params: Texts, inputs: Inputs) -> Pools:
    """The cell's records, the same for every seed. StageError when the task has too few."""
    rows = _questions(params.words) if params.task == "questions" else _reviews(inputs, params.words)
    counts = params.counts
    wanted = (counts.pool, counts.validation, counts.test)
    if sum(wanted) > len(rows):
        raise StageError(
            f"task {params.task}: {sum(wanted)} records are wanted and {len(rows)} are there; lower `counts`"
        )
    order = generator(0, "prompts", params.task).permutation(len(rows))
    parts = np.split(order, np.cumsum(wanted))
    return Pools(*(tuple(rows[i] for i in part) for part in parts))


def private(params: Texts, found: Pools, seed: int) -> list[int]:
    """Places in the pool of a seed's private records. StageError when a class has none of them."""
    order = generator(seed, "prompts", "private").permutation(len(found.pool))[: params.counts.private]
    seen = {found.pool[i].label for i in order}
    for number, name in enumerate(LABELS[params.task]):
        if number not in seen:
            raise StageError(
                f"class {name!r} is in none of the {len(order)} private records; raise `counts.private`"
            )
    return [int(i) for i in order]


def model_of(params: Texts) -> LanguageModel:
    """The cell's model on this job's device. Errors as in `retrace.llm.load.load`."""
    return load(params.model, current(), params.precision)


def answers(
    model: LanguageModel,
    params: Texts,
    instruction: str,
    texts: Sequence[str],
    template: Template = "plain",
    demonstrations: Sequence[tuple[str, str]] = (),
) -> Answers:
    """The model's answers to texts under an instruction, with or without demonstrations."""
    made = prompted(model, instruction, LABELS[params.task], template, demonstrations)
    found, own = likelihoods(model, made, texts), bias(model, made)
    return Answers(found - own if params.calibrate else found, own)


def labels_of(records: Sequence[Record]) -> npt.NDArray[np.int64]:
    """Classes (N,)."""
    return np.array([record.label for record in records], dtype=np.int64)


def texts_of(records: Sequence[Record]) -> list[str]:
    """Texts."""
    return [record.text for record in records]


def methods(params: Train) -> dict[str, float]:
    """Names of the private methods, and their epsilon."""
    return {f"dp_{epsilon:g}".replace(".", "_"): epsilon for epsilon in params.epsilons}


def _questions(words: int) -> list[Record]:
    return [Record(text, label) for text, label in answer_types.questions(MOST, words)]


def _reviews(inputs: Inputs, words: int) -> list[Record]:
    arrays = inputs["dataset"].read_arrays()
    rated = zip(unpack(arrays["x"]), arrays["y"] / 10 - 4, strict=True)
    kept = {text: int(rating > 0) for text, rating in rated if abs(rating) >= 1}
    return [Record(text, label) for text, label in kept.items() if 3 <= len(text.split()) <= words]
