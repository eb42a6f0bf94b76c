"""Synthetic texts of six topics, known by their keywords (our own, MIT): a set whose pilot values are known.

A text has two keywords of its topic, half the time one of any topic, and four filler words, in random order.
"""

from __future__ import annotations

import numpy as np

TOPICS = {
    "sport": ["goal", "team", "coach", "match", "player", "league", "ball", "score", "stadium", "race"],
    "food": ["bread", "soup", "cheese", "kitchen", "recipe", "sugar", "butter", "dinner", "salad", "oven"],
    "space": [
        "planet",
        "rocket",
        "orbit",
        "moon",
        "star",
        "galaxy",
        "comet",
        "telescope",
        "mars",
        "satellite",
    ],
    "music": ["guitar", "song", "piano", "drum", "melody", "concert", "singer", "album", "violin", "chorus"],
    "money": ["bank", "loan", "market", "stock", "price", "tax", "profit", "budget", "invest", "debt"],
    "health": [
        "doctor",
        "nurse",
        "hospital",
        "medicine",
        "patient",
        "fever",
        "vaccine",
        "surgery",
        "clinic",
        "pain",
    ],
}
FILLERS = [
    "the",
    "a",
    "this",
    "that",
    "was",
    "is",
    "will",
    "today",
    "again",
    "often",
    "very",
    "people",
    "year",
    "good",
    "small",
    "about",
    "with",
    "from",
    "much",
    "also",
    "never",
    "every",
    "some",
    "other",
    "first",
    "last",
    "here",
    "there",
]
EXTRA = 0.5  # chance of one more keyword, of any topic


def keywords(count: int, rng: np.random.Generator) -> tuple[list[str], list[int]]:
    """`count` texts and their topics 0..5, as even as can be, in random order."""
    topics = list(TOPICS.values())
    labels = rng.permutation(np.arange(count) % len(topics)).tolist()
    return [_text(label, topics, rng) for label in labels], labels


def _text(label: int, topics: list[list[str]], rng: np.random.Generator) -> str:
    words = rng.choice(topics[label], 2, replace=False).tolist()
    if rng.random() < EXTRA:
        words.append(str(rng.choice(topics[int(rng.integers(len(topics)))])))
    words += rng.choice(FILLERS, 4, replace=False).tolist()
    return " ".join(rng.permutation(words).tolist())
