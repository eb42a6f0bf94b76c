"""Utility: multiple choice (PIQA, OpenBookQA, BoolQ, MMLU), and sentences whose likelihood is a loss."""

from __future__ import annotations

from collections.abc import Sequence

from retrace.data.texts.read import Choice
from retrace.llm.judges.trust.choice import chosen
from retrace.llm.judges.trust.probe import Dimension

SETS = ("piqa", "openbookqa", "boolq", "mmlu")


def utility(name: str, questions: Sequence[Choice]) -> Dimension:
    """A set of questions by likelihood of the options, without examples."""
    return chosen(name, questions, "likelihoods without examples stand for five examples and a letter")
