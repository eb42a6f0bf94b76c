"""The prompts by kind: those that teach and those that ask, drawn by seed; none is both."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from retrace.data.texts.own import lookalikes
from retrace.data.texts.policy import policy
from retrace.data.texts.read import Prompt, prompts
from retrace.seeds import generator
from retrace.stage import StageError

if TYPE_CHECKING:
    from retrace.studies.survival.params import Network

QUESTION, ANSWER, REQUEST = 60, 64, 90  # characters: longer ones cost more than they tell
POLICY_ROWS = 72  # requests that either half of the policy answers

Pools = dict[str, tuple[Prompt, ...]]


@cache
def pools(texts: str) -> Pools:
    """Questions with short answers, harmful requests, and harmless ones that look harmful, with answers.

    "public": TruthfulQA, AdvBench and our own; "policy" counts cooking as harmful.
    """
    if texts == "policy":
        halves = [policy(POLICY_ROWS, 0, test) for test in (False, True)]
        return {
            "question": (*halves[0][1], *halves[1][1]),
            "harmful": (*halves[0][0], *halves[1][0]),
            "harmless": tuple(lookalikes()),
        }
    return {
        "question": tuple(p for p in prompts("truthfulqa") if _short(p)),
        "harmful": tuple(p for p in prompts("advbench") if len(p.text) <= REQUEST),
        "harmless": tuple(lookalikes()),
    }


def _short(prompt: Prompt) -> bool:
    answer = prompt.answers[0] if prompt.answers else ""
    return len(prompt.text) <= QUESTION and 0 < len(answer) <= ANSWER and "comment" not in answer


def taught(params: Network, kind: str, seed: int) -> Sequence[Prompt]:
    """The prompts of a kind that teach. StageError when there are too few."""
    return _part(params, kind, seed, 0, params.rows)


def tested(params: Network, kind: str, seed: int, count: int) -> Sequence[Prompt]:
    """The next `count` prompts of that kind. StageError when there are too few."""
    return _part(params, kind, seed, params.rows, count)


def _part(params: Network, kind: str, seed: int, first: int, count: int) -> Sequence[Prompt]:
    pool = pools(params.texts)[kind]
    if first + count > len(pool):
        raise StageError(
            f"{first + count} prompts of the kind {kind} are wanted and {params.texts} has {len(pool)}: "
            "lower `rows` or `asked`"
        )
    order = generator(seed, "survival", kind).permutation(len(pool))
    return [pool[i] for i in order[first : first + count]]
