"""The dummy study's figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from retrace.studies.dummy.figures.error_by_noise import error_by_noise
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[None], verdicts: Mapping[str, Any]) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table."""
    return {"error_by_noise": error_by_noise(tabled.frame)}
