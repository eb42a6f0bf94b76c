"""A text as a stream of character codes, split and cut for truncated back-propagation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """Codes of the training and the test text; `symbols[i]` is character i, the last code any other."""

    train: Codes
    test: Codes
    symbols: str

    @property
    def size(self) -> int:
        """Number of codes."""
        return len(self.symbols) + 1


def corpus(sentences: Sequence[str], symbols: int, held_out: float, rng: np.random.Generator) -> Corpus:
    """Lower-cased sentences in random order, each ended by a line feed; a share of them held out.

    The vocabulary is the `symbols` most frequent characters of the training text.
    ValueError when either part would be empty.
    """
    order = rng.permutation(len(sentences))
    count = round(held_out * len(sentences))
    if not 0 < count < len(sentences):
        raise ValueError(f"held_out {held_out:g} of {len(sentences)} sentences leaves a part empty")
    parts = ["".join(f"{sentences[i].lower()}\n" for i in rows) for rows in (order[count:], order[:count])]
    frequent = Counter(parts[0])
    kept = "".join(sorted(sorted(frequent, key=lambda c: (-frequent[c], c))[:symbols]))
    code = {character: i for i, character in enumerate(kept)}
    train, test = (np.array([code.get(c, len(kept)) for c in part], dtype=np.int64) for part in parts)
    return Corpus(train, test, kept)


def pieces(codes: Codes, batch: int, truncation: int, budget: int) -> Iterator[tuple[Codes, Codes, bool]]:
    """Consecutive pieces (T,B) of `batch` streams with the codes that follow, and whether they start.

    Streams begin evenly spaced over the text and wrap around its end. Ends after `budget` characters.
    ValueError for a batch or truncation below 1, or more streams than the text has room for.
    """
    if batch < 1 or truncation < 1:
        raise ValueError(f"batch {batch}, truncation {truncation}: both must be at least 1")
    if batch * (truncation + 1) > len(codes):
        raise ValueError(
            f"batch {batch} times truncation {truncation}: more than the text's {len(codes)} characters"
        )
    starts = np.arange(batch) * (len(codes) // batch)
    for piece in range(max(budget // (batch * truncation), 1)):
        at = (starts + piece * truncation + np.arange(truncation + 1)[:, None]) % len(codes)
        both = codes[at]
        yield both[:-1], both[1:], piece == 0
