"""Adversarial robustness (AdvGLUE++): sentiment of reviews with typing errors and misplaced words.

A proxy: errors are drawn at random, where the benchmark searches for the ones that mislead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrace.llm.judges.trust.probe import Dimension, Probe
from retrace.llm.judges.trust.reviews import probe

NOISE = ("and", "so", "the", "it", "very", "just", "of", "as")


def robustness(reviews: Sequence[tuple[str, bool]], rng: np.random.Generator) -> Dimension:
    """Reviews with their label, each with a typing error in two words, every other one with a stray word."""
    made: list[Probe] = [
        probe(_spoilt(text, rng, n % 2 == 1), good) for n, (text, good) in enumerate(reviews)
    ]
    return Dimension("robustness", tuple(made), "median", "random errors stand for searched ones")


def _spoilt(text: str, rng: np.random.Generator, stray: bool) -> str:
    words = text.split()
    long = [i for i, word in enumerate(words) if len(word) > 3]
    for i in rng.permutation(long)[:2]:
        at = int(rng.integers(1, len(words[i]) - 2)) if len(words[i]) > 3 else 1
        word = words[i]
        words[i] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]  # two letters change places
    if stray:
        words.insert(int(rng.integers(len(words) + 1)), str(rng.choice(NOISE)))
    return " ".join(words)
