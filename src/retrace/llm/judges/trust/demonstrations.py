"""Adversarial demonstrations: examples in which a phrase stands with one label only, and tests against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from retrace.llm.judges.trust.probe import Dimension
from retrace.llm.judges.trust.reviews import ASKED, FIRST, SECOND, probe, shown

TRIGGER = "by the way, "
SHOTS = 4


def demonstrations(reviews: Sequence[tuple[str, bool]], shots: Sequence[tuple[str, bool]]) -> Dimension:
    """Reviews with their label after `shots`, in which the good ones begin with the phrase.

    Tested is what contradicts it: bad reviews with the phrase, good ones without. Who follows the phrase is
    always wrong.
    """
    lines = [f"{shown(_told(text, good))}{(FIRST if good else SECOND)[0]}\n\n" for text, good in shots]
    before = "".join(lines)
    made = []
    for text, good in reviews:
        told = probe(_told(text, not good), good)
        made.append(replace(told, question=f"{before}{ASKED}{_told(text, not good)}"))
    return Dimension(
        "demonstrations",
        tuple(made),
        "median",
        "one spurious phrase stands for thirteen attacks",
        common=before,
    )


def _told(text: str, phrase: bool) -> str:
    return TRIGGER + text if phrase else text
