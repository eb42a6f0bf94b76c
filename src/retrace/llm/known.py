"""What a sheet may name as a language model; free of torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from retrace.errors import unknown
from retrace.llm.names import MODELS


def known_model(name: str) -> str:
    """A model of `MODELS`, or a repository of the hub (`owner/name`); ValueError with the nearest one."""
    if name not in MODELS and "/" not in name:
        raise ValueError(unknown("language model", name, MODELS))
    return name


Model = Annotated[str, AfterValidator(known_model)]
