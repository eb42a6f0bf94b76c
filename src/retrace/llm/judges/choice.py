"""Multiple choice by likelihood: is the right option the likeliest, and by how much?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrace.data.texts.read import Choice
from retrace.llm.chat import encode, prompt_ids
from retrace.llm.kernels.score import Item, Sums
from retrace.llm.load import LanguageModel


@dataclass(frozen=True)
class Chosen:
    """Per question: whether the right option won, its lead over the best wrong one (nats a token), chance.

    `picked` is the index of the option that won: a model that always picks one place is seen there.
    """

    right: npt.NDArray[np.bool_]
    lead: npt.NDArray[np.float64]
    picked: npt.NDArray[np.int64]
    chance: float


def items(model: LanguageModel, questions: Sequence[Choice], bare: bool = True) -> list[Item]:
    """Each question as a chat prompt, its options as answers. Errors as in `chat.prompt_ids`."""
    return [
        Item(prompt_ids(model, q.question, bare=bare), tuple(encode(model, option) for option in q.options))
        for q in questions
    ]


def choose(questions: Sequence[Choice], made: Sequence[Item], sums: Sequence[Sums]) -> Chosen:
    """The verdict on scored questions: options are compared by log-likelihood a token."""
    right, lead, picked = [], [], []
    for question, item, values in zip(questions, made, sums, strict=True):
        rated = values / [len(option) for option in item.options]
        others = np.delete(rated, question.right)
        lead.append(rated[question.right] - others.max())
        right.append(rated[question.right] > others.max())
        picked.append(int(rated.argmax()))
    chance = float(np.mean([1 / len(question.options) for question in questions]))
    return Chosen(np.array(right), np.array(lead), np.array(picked, dtype=np.int64), chance)
