"""The texts of a cell: short questions with short answers, and questions with options."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from retrace.data.texts.own import lookalikes
from retrace.data.texts.policy import policy
from retrace.data.texts.read import Choice, Prompt, choices, prompts
from retrace.stage import Evidence

LONGEST, ANSWER, OPTIONS = 60, 64, 100  # characters: longer ones cost more than they tell
POLICY_ROWS = 72  # requests that either half of the policy answers


@cache
def pool(texts: str) -> tuple[Prompt, ...]:
    """Of "policy" (harmless, nothing to fetch) or "public": TruthfulQA's short questions with an answer."""
    if texts == "policy":
        halves = [policy(POLICY_ROWS, 0, test)[1] for test in (False, True)]
        return (*halves[0], *halves[1], *lookalikes())
    return tuple(
        p
        for p in prompts("truthfulqa")
        if len(p.text) <= LONGEST
        and p.answers
        and len(p.answers[0]) <= ANSWER
        and "comment" not in p.answers[0]
    )


@cache
def questions(texts: str) -> tuple[Choice, ...]:
    """Multiple choice: of the public sets the one in which the laptop's model beats chance."""
    if texts == "policy":
        own = pool(texts)
        return tuple(
            Choice(p.text, (p.answers[0], own[n - 1].answers[0])[:: 1 - 2 * (n % 2)], n % 2)
            for n, p in enumerate(own)
        )
    return tuple(q for q in choices("piqa") if len(q.question) + sum(map(len, q.options)) <= OPTIONS)


def part(texts: str, prepared: Evidence, name: str) -> Sequence[Prompt]:
    """The texts that `prepare` drew for a purpose."""
    every = pool(texts)
    return [every[i] for i in prepared.read_arrays()[name]]
