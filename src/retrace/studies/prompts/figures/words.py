"""Words for the prompts study's methods and quantities, and which of them figures show."""

from __future__ import annotations

LABELS = {
    "zero": "initial instruction",
    "random": "random words",
    "icl": "demonstrations (ICL)",
    "dln": "DLN-1",
    "opt": "OPT (no noise)",
    "one_group": "one group alone",
    "shuffled": "OPT, labels shuffled",
    "shared": "OPT, one shared record",
    "random_votes": "DP-OPT, random votes",
    "soft_sgd": "soft prompt, SGD",
    "soft": "soft prompt, DP-SGD",
    "dp": "DP-OPT",
    "poisson": "DP-OPT afresh",
    "pool": "public prompts, private choice",
    "gain": "gain in accuracy",
    "run": "words in a row",
    "exposure": "exposure (bits)",
    "auc": "membership AUC",
    "official": "released code",
    "proven": "proven",
    "exact": "real votes (floor)",
    "plain": "own template",
    "chat": "chat template",
    "tuned": "tuned copy",
}
ACROSS = ("zero", "icl", "opt", "dln", "random")
LEAKS = ("run", "exposure", "auc")


def order(name: str) -> tuple[int, float]:
    """Where a method stands among others: as in `LABELS`, by epsilon."""
    first, _, rest = name.partition("_")
    if name in LABELS:
        return [*LABELS].index(name), 0.0
    return [*LABELS].index(first), float(rest.replace("_", "."))


def method(name: str) -> str:
    """A method in words, its epsilon with it."""
    first, _, rest = name.partition("_")
    if first in ("dp", "pool", "poisson", "soft") and name not in LABELS:
        return f"{LABELS[first]}, ε = {rest.replace('_', '.')}"
    return LABELS.get(name, name)
