"""Errors a user can act on: one clear line that names the place and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RetraceError(Exception):
    """Something the user can mend; printed as one line, without a traceback."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint ` (did you mean 'x'?)`, or the known words when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(names)})"


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """The line for a misspelt name: `unknown corruption 'gaus' (did you mean 'gauss'?)`."""
    return f"unknown {what} {word!r}{did_you_mean(word, known)}"
