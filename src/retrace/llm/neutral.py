"""Neutral texts as tokens: rows for compressors to look at, and other sentences to score."""

from __future__ import annotations

import numpy as np

from retrace.data.texts.read import prompts
from retrace.llm.chat import encode
from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row
from retrace.stage import StageError

HELD = 120  # neutral sentences, the first ones, that no calibration sees
SENTENCE = (60, 140)  # characters of a neutral sentence: shorter ones are headings


def rows(model: LanguageModel, count: int, tokens: int, rng: np.random.Generator) -> list[list[int]]:
    """`count` rows of so many tokens: neutral sentences and answered questions in random order, end to end.

    StageError when the texts do not fill them.
    """
    pool = [p.text for p in prompts("wikitext") if len(p.text) >= SENTENCE[0]][HELD:]
    pool += [f"{p.text} {p.answers[0]}" for p in prompts("truthfulqa") if p.answers]
    stream: list[int] = []
    for i in rng.permutation(len(pool)):
        stream += encode(model, f"{pool[i]}\n")
        if len(stream) >= count * tokens:
            return [stream[n * tokens : (n + 1) * tokens] for n in range(count)]
    raise StageError(
        f"calibration: {count * tokens} tokens are wanted and the texts have {len(stream)}; lower `rows`"
    )


def sentences(model: LanguageModel, count: int) -> list[Row]:
    """The first so many short sentences, whose likelihood is a loss. StageError when there are fewer."""
    texts = [p.text for p in prompts("wikitext") if SENTENCE[0] <= len(p.text)][:HELD]
    short = [text for text in texts if len(text) <= SENTENCE[1]]
    if count > len(short):
        raise StageError(f"sentences {count}: {len(short)} are there; lower it")
    start = model.tokenizer.bos_token_id or 0
    return [Row((start, *encode(model, text)), 1) for text in short[:count]]
