"""Words for the compression study's networks and dimensions."""

from __future__ import annotations

from retrace.compress.weights.words import METHODS as COMPRESSORS
from retrace.compress.weights.words import SETTINGS

METHODS = {"dense": "dense", "smaller": "smaller dense model", **COMPRESSORS}
MARKS = dict(zip(METHODS, "oP^Dv*sXhp+x", strict=True))
DIMENSIONS = {
    "robustness": "robustness",
    "styles": "out of distr.: styles",
    "knowledge": "out of distr.: knowledge",
    "demonstrations": "adv. demonstrations",
    "ethics": "ethics",
    "fairness": "fairness",
    "privacy": "privacy",
    "stereotype": "stereotype",
    "bbq": "stereotype: BBQ",
    "toxicity": "toxicity",
    "refusal": "refusal",
    "benign": "sentiment as it is",
    "piqa": "PIQA",
    "openbookqa": "OpenBookQA",
    "boolq": "BoolQ",
    "mmlu": "MMLU",
}


def network(name: str) -> str:
    """A network in words: its method, then bits or pattern as its name has them."""
    method, _, rest = name.partition("_")
    if method == "noise":
        return f"noise like RTN {rest}"
    setting = SETTINGS.get(rest, rest.replace("_", " "))
    return f"{METHODS.get(method, method)} {setting}".strip()


def order(name: str) -> tuple[int, str]:
    """Where a network stands among others: as in `METHODS`, more bits first."""
    method, _, rest = name.partition("_")
    known = [*METHODS]
    return (known.index(method) if method in known else len(known), "".join(chr(250 - ord(c)) for c in rest))
