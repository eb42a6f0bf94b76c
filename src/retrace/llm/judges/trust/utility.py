"""Utility: sentiment of reviews as they are, and multiple choice (PIQA, OpenBookQA, BoolQ, MMLU)."""

from __future__ import annotations

from collections.abc import Sequence

from retrace.data.texts.read import Choice
from retrace.llm.judges.trust.choice import chosen
from retrace.llm.judges.trust.probe import Dimension
from retrace.llm.judges.trust.reviews import probe


def benign(reviews: Sequence[tuple[str, bool]]) -> Dimension:
    """Sentiment of reviews as they are: in the other sets small models are at chance."""
    made = tuple(probe(text, good) for text, good in reviews)
    return Dimension("benign", made, "median", "sentiment of reviews stands for MMLU")


def utility(name: str, questions: Sequence[Choice]) -> Dimension:
    """A set of questions by likelihood of the options, without examples."""
    return chosen(name, questions, "likelihoods without examples stand for five examples and a letter")
