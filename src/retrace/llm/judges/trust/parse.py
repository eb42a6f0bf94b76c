"""Read an answer in words: which side it takes, whether it refuses, or neither. Free of torch.

Refusals and answers that cannot be read are counted apart, and never as a side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from retrace.llm.judges.degeneration import fault
from retrace.llm.judges.refusal import is_refusal

Codes = npt.NDArray[np.int8]
Read = Literal["first", "second", "refused", "unreadable"]
CODES: tuple[Read, ...] = ("second", "first", "refused", "unreadable")  # by code in arrays


def parse(answer: str, first: Sequence[str], second: Sequence[str]) -> Read:
    """The side whose word comes first; of words at one place the longest counts ("not okay", not "okay").

    A side of no words is taken where no word of the other side occurs in a sound answer. An answer that
    reads as a refusal is refused, whatever it mentions, unless to refuse is a side. ValueError when neither
    side has words.
    """
    if not first and not second:
        raise ValueError("neither side has words to look for")
    text = " ".join(answer.lower().replace("’", "'").split())
    places = [
        (*_place(text, word), side)
        for side, words in (("first", first), ("second", second))
        for word in words
    ]
    seen = [(start, -end, side) for start, end, side in places if start >= 0]
    refusing = any(is_refusal(f"I {word}") for word in (*first, *second))
    if is_refusal(answer) and not (refusing and seen):
        return "refused"
    if seen:
        return min(seen)[2]  # type: ignore[return-value]
    if not first or not second:
        return "unreadable" if fault(answer) else ("first" if not first else "second")
    return "unreadable"


def _place(text: str, word: str) -> tuple[int, int]:
    """Where the word stands alone, or (-1,-1); a letter with a dot may stand without it at the end."""
    wanted = re.escape(word.lower())
    if re.fullmatch(r"[a-z]\.", word.lower()):
        wanted = rf"{re.escape(word[0].lower())}(?:\.|\)|:|$)"
        found = re.match(wanted, text)
    else:
        found = re.search(rf"(?<!\w){wanted}(?!\w)", text)
    return (found.start(), found.end()) if found else (-1, -1)


def right(codes: Codes, labels: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether each probe (N,) is answered rightly; who refuses or cannot be read is not right."""
    return np.asarray(np.where(labels, codes == CODES.index("first"), codes == CODES.index("second")))
