"""Reads claims files; every mistake is one line with file, claim, field and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from retrace.claims.base import first_reason
from retrace.claims.model import PaperClaims
from retrace.errors import RetraceError
from retrace.numbers import strange
from retrace.strict import not_allowed
from retrace.yamls import read_yaml


def load_claims(path: Path) -> PaperClaims:
    """The claims of one file, whose stem is the paper's name; RetraceError, one line, if it does not fit."""
    place = f"{path.parent.name}/{path.name}"
    raw = read_yaml(path, place)
    claims = parse_claims(raw, place)
    if claims.paper != path.stem:
        raise RetraceError(
            f"{place}: paper is {claims.paper!r}; rename the file or the paper so that they agree"
        )
    return claims


def parse_claims(raw: Any, place: str) -> PaperClaims:
    """The claims in plain YAML content; RetraceError, one line starting with `place`, if unfit."""
    try:
        made = PaperClaims.model_validate(raw)
    except ValidationError as error:
        raise RetraceError(f"{place}: {_explain(raw, error)}") from None
    for claim, given in zip(made.claims, raw["claims"], strict=True):
        for line in strange(given, claim.model_dump()):
            raise RetraceError(f"{place}: claim {claim.id!r}: {line}")
    return made


def _explain(raw: Any, error: ValidationError) -> str:
    problems = error.errors()
    location = [part for part in problems[0]["loc"] if not (isinstance(part, str) and "[" in part)]
    words: list[str] = []
    if len(location) >= 2 and location[0] == "claims" and isinstance(location[1], int):
        claim = raw["claims"][location[1]]
        name = claim.get("id") if isinstance(claim, dict) else None
        words.append(f"claim {name!r}" if name else f"claim number {location[1] + 1}")
        location = location[2:]
    if location:
        words.append(".".join(str(part) for part in location))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    problem = problems[0]
    message = first_reason(ValueError(problem["msg"]))
    if problem["type"] == "literal_error":
        message = not_allowed(problem)
    elif problem["type"] == "string_pattern_mismatch":
        message = f"{problem['input']!r} does not look like one ({problem['ctx']['pattern']})"
    return ": ".join([*words, message]) + more
