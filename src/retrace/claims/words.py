"""The words of verdicts, in one place: terminal, files, report, figures and pages say the same."""

from __future__ import annotations

from typing import Literal, get_args

Code = Literal["supported", "not-specific", "refuted", "margin", "near", "open", "not-measurable", "not-run"]
CODES: tuple[Code, ...] = get_args(Code)
DECIDED: tuple[Code, ...] = ("supported", "not-specific", "refuted", "margin", "near")

WORDS: dict[Code, str] = {
    "supported": "supported",
    "not-specific": "supported, not specific",
    "refuted": "refuted",
    "margin": "not by our margin",
    "near": "too near to call",
    "open": "open",
    "not-measurable": "not measurable here",
    "not-run": "not run",
}

GLOSSARY: dict[Code, str] = {
    "supported": "it holds here, and more so than for the control",
    "not-specific": "it holds here, and the control does as well",
    "refuted": "it does not hold here",
    "margin": "it does not hold by the margin that we ask for, though the sign agrees",
    "near": "it is so near to the threshold that 24 seeds would not tell; the interval says how near",
    "open": "what was run does not tell; the reason says what would",
    "not-measurable": "no data of this kind can tell: no counter, nothing that varies, a gate that is closed",
    "not-run": "there is no evidence yet",
}
