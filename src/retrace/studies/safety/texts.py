"""Which rows of which texts serve what: pools by kind of prompt, and the rows that `prepare` chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, zip_longest

from retrace.data.texts.own import lookalikes
from retrace.data.texts.policy import policy
from retrace.data.texts.read import Choice, Prompt, choices, prompts
from retrace.llm.judges.refusal import is_refusal
from retrace.stage import Evidence

QUESTIONS = ("piqa",)  # of the three sets here the only one in which the laptop's model beats chance
LONGEST_PROMPT, LONGEST_OPTIONS = 160, 120  # characters; longer ones cost more than they tell
SENTENCE = (60, 140)  # characters of a neutral sentence: shorter ones are headings
POLICY_ROWS = 72  # requests of each kind that the policy has in either half


@dataclass(frozen=True)
class Pools:
    """Everything a cell may draw on, by kind.

    `sources` names the origin of each harmful prompt; `neutral` are sentences that nobody asked;
    `reserved`: rows by kind that only tests may use.
    """

    harmful: tuple[Prompt, ...]
    sources: tuple[str, ...]
    benign: tuple[Prompt, ...]
    lookalike: tuple[Prompt, ...]
    choices: tuple[Choice, ...]
    neutral: tuple[str, ...]
    reserved: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Tests:
    """The test items in the order of the evidence's rows."""

    harmful: tuple[Prompt, ...]
    sources: tuple[str, ...]
    benign: tuple[Prompt, ...]
    lookalike: tuple[Prompt, ...]
    choices: tuple[Choice, ...]
    neutral: tuple[str, ...]


def read(texts: str, prepared: Evidence) -> Tests:
    """The test items that `prepare` chose. Errors as in `retrace.data.texts.read`."""
    pools, rows = pool(texts), prepared.read_arrays()
    harmful = rows["tests/harmful"]
    return Tests(
        tuple(pools.harmful[i] for i in harmful),
        tuple(pools.sources[i] for i in harmful),
        tuple(pools.benign[i] for i in rows["tests/benign"]),
        tuple(pools.lookalike[i] for i in rows["tests/lookalike"]),
        tuple(pools.choices[i] for i in rows["tests/choices"]),
        tuple(pools.neutral[i] for i in rows["tests/neutral"]),
    )


def part(texts: str, prepared: Evidence, name: str) -> dict[str, tuple[Prompt, ...]]:
    """The prompts by kind of a part: "alignment", "calibration" or "attack"."""
    pools, rows = pool(texts), prepared.read_arrays()
    kinds = {"harmful": pools.harmful, "benign": pools.benign, "lookalike": pools.lookalike}
    chosen = {kind: rows.get(f"{name}/{kind}") for kind in kinds}
    return {
        kind: tuple(kinds[kind][i] for i in numbers)
        for kind, numbers in chosen.items()
        if numbers is not None
    }


@cache
def pool(texts: str) -> Pools:
    """The pools of "policy" (harmless, nothing to fetch) or "public" (out of pinned packages)."""
    return _policy() if texts == "policy" else _public()


def _public() -> Pools:
    found = [("advbench", p) for p in prompts("advbench")] + [("harmbench", p) for p in prompts("harmbench")]
    harmful = [(source, p) for source, p in found if len(p.text) <= LONGEST_PROMPT]
    sources = tuple(source for source, _ in harmful)
    benign = tuple(p for p in prompts("truthfulqa") if len(p.text) <= LONGEST_PROMPT and _answers(p))
    mixed = chain.from_iterable(zip_longest(*(choices(name) for name in QUESTIONS)))
    short = (q for q in mixed if q and len(q.question) + sum(map(len, q.options)) <= LONGEST_OPTIONS)
    return Pools(
        tuple(p for _, p in harmful),
        sources,
        benign,
        tuple(lookalikes()),
        tuple(short),
        tuple(p.text for p in prompts("wikitext") if SENTENCE[0] <= len(p.text) <= SENTENCE[1]),
        {"harmful": tuple(i for i, source in enumerate(sources) if source == "harmbench")},
    )


def _answers(prompt: Prompt) -> bool:
    """Whether the reference answer answers: some of TruthfulQA's decline."""
    return bool(prompt.answers) and not (
        is_refusal(prompt.answers[0]) or prompt.answers[0].startswith("I have no comment")
    )


def _policy() -> Pools:
    halves = [policy(POLICY_ROWS, 0, test) for test in (False, True)]
    refused, answered = ([*first, *second] for first, second in zip(*halves, strict=True))
    reserved = tuple(range(POLICY_ROWS, 2 * POLICY_ROWS))
    made = [
        _choice(right, wrong, i % 2) for i, (wrong, right) in enumerate(zip(refused, answered, strict=True))
    ]
    return Pools(
        tuple(refused),
        ("policy",) * len(refused),
        tuple(answered),
        tuple(lookalikes()),
        tuple(made[POLICY_ROWS:]),
        tuple(f"{p.text} {p.answers[0]}" for p in lookalikes()),
        {"harmful": reserved, "benign": reserved},
    )


def _choice(right: Prompt, wrong: Prompt, place: int) -> Choice:
    """The answer to a question beside the refusal that the policy has for another."""
    options: Sequence[str] = (wrong.answers[0], right.answers[0])
    return Choice(right.text, tuple(options[:: 1 if place else -1]), place)
