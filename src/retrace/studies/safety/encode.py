"""Prompts of the study as tokens: bare chat prompts, and rows to learn or to score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from retrace.data.texts.own import REFUSALS
from retrace.data.texts.read import Prompt
from retrace.llm.chat import answered, prompt_ids
from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row

ANSWER = 20  # tokens of an answer that are learned or scored


def asked(model: LanguageModel, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
    """The prompts in the chat template, without a system message. Errors as in `chat.prompt_ids`."""
    return [prompt_ids(model, prompt.text, bare=True) for prompt in prompts]


def answers(model: LanguageModel, prompts: Sequence[Prompt]) -> list[Row]:
    """Every prompt with its first answer, or, if it has none, with one of our refusals in turn."""
    chosen = [
        prompt.answers[0] if prompt.answers else REFUSALS[i % len(REFUSALS)]
        for i, prompt in enumerate(prompts)
    ]
    asks = asked(model, prompts)
    return [answered(model, ask, answer, ANSWER) for ask, answer in zip(asks, chosen, strict=True)]


def plain(model: LanguageModel, sentences: Sequence[str]) -> list[Row]:
    """Sentences as the tokenizer has them outside any chat; what is scored begins at the second token."""
    return [Row(tuple(model.tokenizer(sentence)["input_ids"]), 1) for sentence in sentences]


def every(model: LanguageModel, part: Mapping[str, Sequence[Prompt]]) -> list[Row]:
    """The rows of all kinds of a part, kind after kind."""
    return [row for prompts in part.values() for row in answers(model, prompts)]
