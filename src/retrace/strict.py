"""The base of every pydantic model here, and how a word that is not allowed is reported.

Apart from the configuration, so that a stage whose settings are such a model does not depend on it.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from retrace.errors import did_you_mean


class Strict(BaseModel):
    """Base of every model: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def not_allowed(problem: Any) -> str:
    """What to say of one of pydantic's `literal_error`s, with the nearest word that is allowed."""
    words = [word.strip(" '") for word in problem["ctx"]["expected"].replace(" or ", ",").split(",")]
    return f"{problem['input']!r} is not allowed{did_you_mean(str(problem['input']), words)}"
