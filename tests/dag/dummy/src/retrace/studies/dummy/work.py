"""What the stages of the dummy study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.data.frames import frame
from retrace.work import STAGE, VALUES, Work


def work(verb: str, params: Mapping[str, Any], device: str) -> Work:
    """The work of a stage: its images, as often as noises meet them."""
    data = frame(params["dataset"])
    images = data.classes * params["per_class"] * data.values
    noises = len(params["noises"]) if verb in ("attack", "measure") else 1
    return Work({VALUES: noises * images, STAGE: 1})
