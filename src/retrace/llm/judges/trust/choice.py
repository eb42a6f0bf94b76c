"""Multiple choice as probes: the right option against the best of the others, by likelihood a token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrace.data.texts.read import Choice
from retrace.llm.judges.trust.probe import Dimension, Probe


def chosen(name: str, questions: Sequence[Choice], proxy: str) -> Dimension:
    """Questions with options; generation is asked for the letter of an option."""
    made = []
    for asked in questions:
        letters = "ABCDEFGH"[: len(asked.options)]
        lines = [f"{letter}. {option}" for letter, option in zip(letters, asked.options, strict=True)]
        others = [i for i in range(len(asked.options)) if i != asked.right]
        question = "\n".join([asked.question, *lines, "Answer with one letter."])
        words = (
            (f"{letters[asked.right]}.", asked.options[asked.right]),
            tuple(word for i in others for word in (f"{letters[i]}.", asked.options[i])),
        )
        text = f"Question: {asked.question}\nAnswer:"
        right = (f" {asked.options[asked.right]}",)
        made.append(Probe(text, right, tuple(f" {asked.options[i]}" for i in others), True, question, words))
    chance = float(np.mean([1 / len(q.options) for q in questions])) if questions else 0.5
    return Dimension(name, tuple(made), "sign", proxy, chance, combine="most")
