"""The line that answers a misspelt name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """Say that `word` is no `what`, which name was probably meant, and which there are."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {what} {word!r}: {hint}known: {', '.join(names) or 'none'}"
