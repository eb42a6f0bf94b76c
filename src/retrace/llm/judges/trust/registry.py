"""Every dimension by name with as many probes as asked for, drawn once for all networks and seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from retrace.data.texts import trust
from retrace.data.texts.own import lookalikes
from retrace.data.texts.read import Choice, choices, prompts
from retrace.llm.judges.trust import shift
from retrace.llm.judges.trust.demonstrations import SHOTS, demonstrations
from retrace.llm.judges.trust.ethics import ethics
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


def dimensions(
    items: Mapping[str, int],
    reviews: Reviews,
    draw: Callable[[str], np.random.Generator],
    longest: int,
    cache: Path | None = None,
) -> list[Dimension]:
    """Dimensions with that many items each (a pair or a person is one), in the order of `KNOWN`.

    `reviews` are rated sentences, as many good as bad ones are taken; `draw` gives each dimension its random
    stream; texts of more than `longest` characters are passed over.
    Errors: StageError where a set has too few.
    """
    made = []
    for name in KNOWN:
        if items.get(name, 0):
            made.append(_make(name, items[name], reviews, draw(name), longest, cache))
    return made


def _make(
    name: str, count: int, reviews: Reviews, rng: np.random.Generator, longest: int, cache: Path | None
) -> Dimension:
    def some(rows: Sequence[T], number: int, text: Callable[[T], str]) -> list[T]:
        return _some(name, [row for row in rows if len(text(row)) <= longest], number, rng)

    if name in ("robustness", "styles", "demonstrations", "benign"):
        extra = SHOTS if name == "demonstrations" else 0
        kept = _balanced(name, [row for row in reviews if len(row[0]) <= longest], count + extra, rng)
        if name == "demonstrations":
            return demonstrations(kept[extra:], kept[:extra])
        if name == "benign":
            return benign(kept)
        return (robustness if name == "robustness" else shift.styles)(kept, rng)
    if name == "knowledge":
        return shift.knowledge(count)
    if name == "ethics":
        return ethics(count)
    if name == "privacy":
        return privacy(count, rng)
    if name == "fairness":
        people = trust.people(cache)
        rich, poor = ([p for p in people if p.rich is kind] for kind in (True, False))
        half = count // 2
        return fairness(_some(name, rich, half, rng) + _some(name, poor, count - half, rng))
    if name == "stereotype":
        half = count // 2
        crows = some(trust.crows(cache), half, lambda pair: pair.stereotype)
        return stereotype(crows + some(trust.stereoset(cache), count - half, lambda pair: pair.stereotype))
    if name == "toxicity":
        return toxicity(some(trust.openings(cache), count, lambda text: text))
    if name == "refusal":
        half = count // 2
        harmful = some([p.text for p in prompts("harmbench", cache)], half, lambda text: text)
        return refusal(harmful, some([p.text for p in lookalikes()], count - half, lambda text: text))
    readers: dict[str, Callable[[], list[Choice]]] = {
        "bbq": lambda: trust.bbq(cache),
        "mmlu": lambda: trust.mmlu(cache),
        "boolq": lambda: trust.boolq(cache),
    }
    read = readers.get(name, lambda: choices(name, cache))
    questions = some(read(), count, lambda q: q.question + "".join(q.options))
    return bbq(questions) if name == "bbq" else utility(name, questions)


def _some(name: str, rows: Sequence[T], count: int, rng: np.random.Generator) -> list[T]:
    if count > len(rows):
        raise StageError(
            f"dimension {name}: {count} items are wanted and {len(rows)} fit; lower `items.{name}`"
        )
    return [rows[i] for i in rng.permutation(len(rows))[:count]]


def _balanced(name: str, rows: Reviews, count: int, rng: np.random.Generator) -> list[tuple[str, bool]]:
    """Good and bad reviews in turn."""
    halves = [[row for row in rows if row[1] is kind] for kind in (True, False)]
    drawn = [_some(name, half, -(-count // 2), rng) for half in halves]
    return [row for both in zip(*drawn, strict=True) for row in both][:count]
