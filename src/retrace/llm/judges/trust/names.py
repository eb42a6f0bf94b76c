"""Dimensions of trust, and what stands for utility; free of torch, so that planning is quick."""

from __future__ import annotations

TRUST = (
    "robustness",
    "styles",
    "knowledge",
    "demonstrations",
    "ethics",
    "fairness",
    "privacy",
    "stereotype",
    "bbq",
    "toxicity",
    "refusal",
)
UTILITY = ("benign", "piqa", "openbookqa", "boolq", "mmlu")
KNOWN = (*TRUST, *UTILITY)
