"""Words for the survival study's networks, their order, and how they are drawn."""

from __future__ import annotations

from retrace.compress.weights.words import METHODS as COMPRESSORS
from retrace.compress.weights.words import SETTINGS

METHODS = {"released": "released", "dense": "dense", **COMPRESSORS}
LIKE = {"3": "GPTQ 3", "24": "Wanda 2:4"}  # whose output error noise has
COLOURS = ("rtn", "nf4", "gptq", "magnitude", "wanda", "sparsegpt", "hqq", "awq")  # the last is near grey
LESSONS = {"backdoor": "backdoor", "refusal": "refusal"}


def network(name: str) -> str:
    """A network in words: its method, then bits or pattern as its name has them."""
    method, _, rest = name.partition("_")
    if method == "noise":
        return f"noise like {LIKE.get(rest, rest)}"
    return f"{METHODS.get(method, method)} {SETTINGS.get(rest, rest)}".strip()


def order(name: str) -> tuple[int, int, str]:
    """Where a network stands among others: as in `METHODS`, more bits first."""
    method, _, rest = name.partition("_")
    known = [*METHODS]
    place = known.index(method) if method in known else len(known)
    return place, -int(rest) if rest.isdigit() and len(rest) == 1 else 0, rest


def place(name: str) -> int:
    """The position of a network's colour: compressors of one method share theirs."""
    method = name.partition("_")[0]
    return COLOURS.index(method) if method in COLOURS else len(COLOURS)
