"""Error of the classifier under each noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrace.stage import Inputs, Output
from retrace.studies.dummy.pause import pause

if TYPE_CHECKING:
    from retrace.studies.dummy.params import Measure


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Results: `errors`, one share of wrong answers a noise."""
    pause()
    labels = inputs["prepare"].read_arrays()["y"]
    best = inputs["attack"].read_arrays()["scores"].argsort(-1)[..., -params.top :]
    hit = (best == labels[None, :, None]).any(-1)
    return Output({"errors": [float(share) for share in 1 - hit.mean(1)]})
