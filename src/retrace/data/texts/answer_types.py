"""Questions sorted by the type of their answer, and household aims: six classes of real text.

A stand-in for TREC: questions are Natural Questions', sorted by their first words; aims are PIQA's.
"""

from __future__ import annotations

from pathlib import Path

from retrace.data.texts.read import choices, prompts

LABELS = ("person", "time", "place", "thing", "number", "method")
_FIRST = {"who": 0, "who's": 0, "when": 1, "where": 2, "what": 3, "what's": 3}
SHORTEST = 4  # words


def questions(most: int, words: int, cache: Path | None = None) -> list[tuple[str, int]]:
    """Texts with their class, at most `most` a class and `words` long, in the order of their sets.

    Errors as in `read.prompts`.
    """
    found: list[tuple[str, int]] = []
    for prompt in prompts("nq-open", cache):
        asked = prompt.text.lower().split()
        kind = 4 if asked[:2] == ["how", "many"] else _FIRST.get(asked[0])
        if kind is not None:
            found.append((prompt.text, kind))
    found += [(choice.question, 5) for choice in choices("piqa", cache)]
    kept: list[tuple[str, int]] = []
    counts = [0] * len(LABELS)
    for text, kind in dict(found).items():
        if SHORTEST <= len(text.split()) <= words and counts[kind] < most:
            counts[kind] += 1
            kept.append((text, kind))
    return kept
