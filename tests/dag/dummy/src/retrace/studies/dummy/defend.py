"""Shrink the classifier: a stage beside the attack that reads the same weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.stage import Inputs, Output
from retrace.studies.dummy.pause import pause

if TYPE_CHECKING:
    from retrace.params import StageParams


def run(params: StageParams, inputs: Inputs, seed: int) -> Output:
    """Results: `norm` of the weights when those below the median are dropped."""
    pause()
    weights = inputs["train"].read_scratch()["weights"]
    kept = np.abs(weights) >= np.median(np.abs(weights))
    return Output({"norm": float(np.linalg.norm(weights * kept))})
