"""The base of the claim models, and how their errors read."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from retrace import strict
from retrace.errors import did_you_mean


class Strict(strict.Strict):
    """Base of the claim models: an unknown key names the nearest known one itself, inside unions too."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(f"unknown key {str(key)!r}{did_you_mean(str(key), cls.model_fields)}")
        return data


def first_reason(error: ValueError) -> str:
    """The message of an error without pydantic's framing."""
    details = getattr(error, "errors", None)
    return str(details()[0]["msg"] if details else error).removeprefix("Value error, ")
