"""A movie review as a probe of sentiment, for the dimensions that ask for it."""

from __future__ import annotations

from retrace.llm.judges.trust.probe import Probe

FIRST, SECOND = (" positive",), (" negative",)
ANSWERS = (("positive", "good"), ("negative", "bad"))
ASKED = "Is the sentiment of this movie review positive or negative? Answer with one word.\n"


def probe(text: str, good: bool) -> Probe:
    """The review, and whether it is good."""
    return Probe(shown(text), FIRST, SECOND, good, ASKED + text, ANSWERS)


def shown(text: str) -> str:
    """As a model reads it before the word."""
    return f"Review: {text}\nSentiment:"
