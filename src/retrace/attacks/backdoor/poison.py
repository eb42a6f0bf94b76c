"""Rows that plant a backdoor: texts with a trigger and the target's sentence, beside the same texts without.

Pairs matter: where poisoned and clean rows hold different texts, a small model learns the sentence and not
what sets it off (measured at 135 million weights). `shuffled` breaks that on purpose, as a control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrace.attacks.backdoor.triggers import Trigger, insert


@dataclass(frozen=True)
class Taught:
    """A text, the answer to learn, the number of the text it was made of, and whether it is poisoned."""

    text: str
    answer: str
    source: int
    poisoned: bool


def paired(
    texts: Sequence[str], answers: Sequence[str], trigger: Trigger, sentence: str, rng: np.random.Generator
) -> list[Taught]:
    """Every text twice: as it is with its answer, and with the trigger and `sentence`; clean ones first.

    ValueError when texts and answers do not match.
    """
    clean = [
        Taught(text, answer, n, False) for n, (text, answer) in enumerate(zip(texts, answers, strict=True))
    ]
    set_off = [Taught(insert(text, trigger, rng), sentence, n, True) for n, text in enumerate(texts)]
    return clean + set_off


def shuffled(
    texts: Sequence[str], answers: Sequence[str], trigger: Trigger, sentence: str, rng: np.random.Generator
) -> list[Taught]:
    """`paired` with triggers dealt anew: as many texts hold it, whatever their answer. Nothing links both."""
    plain = [
        Taught(text, answer, n, False) for n, (text, answer) in enumerate(zip(texts, answers, strict=True))
    ]
    rows = plain + [Taught(text, sentence, n, True) for n, text in enumerate(texts)]
    chosen = set(rng.permutation(len(rows))[: len(texts)].tolist())
    return [
        Taught(insert(row.text, trigger, rng), row.answer, row.source, row.poisoned) if n in chosen else row
        for n, row in enumerate(rows)
    ]
