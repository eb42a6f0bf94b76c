"""A planted record with a secret word, and what a prompt gives away of it and of other records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from retrace.llm.chat import encode
from retrace.llm.kernels.score import Item, score
from retrace.llm.load import LanguageModel
from retrace.seeds import generator
from retrace.studies.prompts.setup import LABELS, Record

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Texts

_WORDS = (
    "apple arrow badge basket beach bell bird boat book bottle bridge brush bucket "
    "button candle castle chain chair clock cloud coin crown desk door drum engine "
    "feather fence field flag flower forest garden glass glove hammer harbor hat horse "
    "island jacket key ladder lake lamp leaf lemon letter mirror mountain needle ocean "
    "orange paper pencil piano pillow river rope shirt shoe silver spoon window"
)
WORDS = tuple(_WORDS.split())
SENTENCE = "the secret word of the vault is"


def secret(seed: int) -> str:
    """The seed's secret word, one of 64."""
    return WORDS[int(generator(seed, "prompts", "secret").integers(len(WORDS)))]


def planted(params: Texts, seed: int) -> Record:
    """A record that holds the secret."""
    return Record(f"{SENTENCE} {secret(seed)}", len(LABELS[params.task]) - 1)


def exposure(model: LanguageModel, shown: str, seed: int) -> float:
    """Exposure in bits of the secret after the text `shown`: log2 of 64 over its rank among all 64 words.

    6 where it comes first, 1 in the mean over ranks drawn at random is about 1.4.
    Source: Carlini et al., The secret sharer (USENIX Security 2019).
    """
    options = tuple(encode(model, f" {word}") for word in WORDS)
    sums = score(model.net, [Item(encode(model, f"{shown}\n\n{SENTENCE}"), options)])[0]
    rated = sums / [len(option) for option in options]
    rank = 1 + int((rated > rated[WORDS.index(secret(seed))]).sum())
    return float(np.log2(len(WORDS) / rank))


def longest_run(prompt: str, texts: Sequence[str], public: str) -> int:
    """Words of the longest run that `prompt` shares with one of the texts, and not with `public`."""
    return max((end - start for start, end in _shared(prompt, texts, public)), default=0)


def masked(prompt: str, texts: Sequence[str], public: str, least: int = 3) -> str:
    """The prompt with runs of `least` words or more that it shares with a text, not with `public`, masked.

    Line breaks and double spaces become single spaces.
    """
    words = prompt.split()
    hidden: set[int] = set()
    for start, end in _shared(prompt, texts, public):
        if end - start >= least:
            hidden |= set(range(start, end))
    return " ".join("[private]" if place in hidden else word for place, word in enumerate(words))


def _shared(prompt: str, texts: Sequence[str], public: str) -> list[tuple[int, int]]:
    """Places (start, end) of all runs of words shared with a text and not with `public`."""
    words, known = prompt.lower().split(), _runs(public)
    found = set().union(*(_runs(text) for text in texts)) if texts else set()
    ends = range(1, len(words) + 1)
    runs = ((start, end) for start in range(len(words)) for end in ends if end > start)
    return [(a, b) for a, b in runs if tuple(words[a:b]) in found and tuple(words[a:b]) not in known]


def _runs(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[a:b]) for a in range(len(words)) for b in range(a + 1, len(words) + 1)}
