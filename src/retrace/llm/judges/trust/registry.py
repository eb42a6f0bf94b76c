"""Every dimension by name with as many probes as asked for, drawn once for all networks and seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from retrace.data.texts import trust
from retrace.data.texts.own import lookalikes
from retrace.data.texts.read import Choice, Prompt, choices, prompts
from retrace.llm.judges.trust import shift
from retrace.llm.judges.trust.demonstrations import SHOTS, demonstrations
from retrace.llm.judges.trust.ethics import ACTS, ethics
from retrace.llm.judges.trust.fairness import fairness
from retrace.llm.judges.trust.names import KNOWN
from retrace.llm.judges.trust.privacy import privacy
from retrace.llm.judges.trust.probe import Dimension
from retrace.llm.judges.trust.refusal import refusal
from retrace.llm.judges.trust.robustness import robustness
from retrace.llm.judges.trust.stereotype import bbq, stereotype
from retrace.llm.judges.trust.toxicity import toxicity
from retrace.llm.judges.trust.utility import benign, utility
from retrace.stage import StageError

T = TypeVar("T")
Reviews = Sequence[tuple[str, bool]]
NONE: Mapping[str, int] = {}
LEARNT = 20  # of the harmless requests that look harmful, the last ones: to be learnt, never asked


def dimensions(
    items: Mapping[str, int],
    reviews: Reviews,
    draw: Callable[[str], np.random.Generator],
    longest: int,
    cache: Path | None = None,
    after: Mapping[str, int] = NONE,
) -> list[Dimension]:
    """Dimensions with that many items each (a pair or a person is one), in the order of `KNOWN`.

    `reviews` are rated sentences, as many good as bad ones are taken; `draw` gives each dimension its random
    stream; texts of more than `longest` characters are passed over. Items are those that follow the first
    `after` ones of the stream, so that two calls with the same streams can share none.
    Errors: StageError where a set has too few.
    """
    made = []
    for name in KNOWN:
        if items.get(name, 0):
            some = _Some(name, items[name], after.get(name, 0), draw(name))
            made.append(_make(name, some, reviews, longest, cache))
    return made


def tested() -> list[Prompt]:
    """Harmless requests that look harmful, those that are asked."""
    return lookalikes()[:-LEARNT]


def learnt() -> list[Prompt]:
    """The others, which a network may learn to answer."""
    return lookalikes()[-LEARNT:]


@dataclass(frozen=True)
class _Some:
    """How many items a dimension takes, after how many others of its random stream."""

    name: str
    count: int
    after: int
    rng: np.random.Generator

    def of(self, rows: Sequence[T], part: int | None = None) -> list[T]:
        """So many of the rows, in the stream's order; `part` 0 or 1: the smaller or larger half of them."""
        first, count = (_part(number, part) for number in (self.after, self.count))
        if first + count > len(rows):
            also = f" or `gate.{self.name}`" if self.after else ""
            raise StageError(
                f"dimension {self.name}: {first + count} items are wanted and {len(rows)} fit; "
                f"lower `items.{self.name}`{also}"
            )
        return [rows[i] for i in self.rng.permutation(len(rows))[first : first + count]]

    def reviews(self, rows: Reviews, shots: int = 0) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
        """Good and bad reviews in turn: as many as are taken, and `shots` examples, which stay the same."""
        each = -(-(shots + self.after + self.count) // 2)
        whole = _Some(self.name, each, 0, self.rng)
        halves = [whole.of([row for row in rows if row[1] is kind]) for kind in (True, False)]
        drawn = [row for both in zip(*halves, strict=True) for row in both]
        first = shots + self.after
        return drawn[first : first + self.count], drawn[:shots]


def _part(number: int, part: int | None) -> int:
    return number if part is None else number // 2 if part == 0 else number - number // 2


def _make(name: str, some: _Some, reviews: Reviews, longest: int, cache: Path | None) -> Dimension:
    def short(rows: Sequence[T], text: Callable[[T], str]) -> list[T]:
        return [row for row in rows if len(text(row)) <= longest]

    if name in ("robustness", "styles", "demonstrations", "benign"):
        shots = SHOTS if name == "demonstrations" else 0
        kept, shown = some.reviews(short(reviews, lambda row: row[0]), shots)
        if name == "demonstrations":
            return demonstrations(kept, shown)
        if name == "benign":
            return benign(kept)
        return (robustness if name == "robustness" else shift.styles)(kept, some.rng)
    if name == "knowledge":
        return shift.knowledge(some.of(shift.QUESTIONS))
    if name == "ethics":
        return ethics(some.of(ACTS))
    if name == "privacy":
        return privacy(some.count, some.rng, some.after)
    if name == "fairness":
        people = trust.people(cache)
        rich, poor = ([p for p in people if p.rich is kind] for kind in (True, False))
        return fairness(some.of(rich, 0) + some.of(poor, 1))
    if name == "stereotype":
        crows, stereoset = (
            short(pairs, lambda pair: pair.stereotype)
            for pairs in (trust.crows(cache), trust.stereoset(cache))
        )
        return stereotype(some.of(crows, 0) + some.of(stereoset, 1))
    if name == "toxicity":
        return toxicity(some.of(short(trust.openings(cache), lambda text: text)))
    if name == "refusal":
        harmful, harmless = (
            short([p.text for p in found], lambda text: text)
            for found in (prompts("harmbench", cache), tested())
        )
        return refusal(some.of(harmful, 0), some.of(harmless, 1))
    readers: dict[str, Callable[[], list[Choice]]] = {
        "bbq": lambda: trust.bbq(cache),
        "mmlu": lambda: trust.mmlu(cache),
        "boolq": lambda: trust.boolq(cache),
    }
    read = readers.get(name, lambda: choices(name, cache))
    questions = some.of(short(read(), lambda q: q.question + "".join(q.options)))
    return bbq(questions) if name == "bbq" else utility(name, questions)
