"""Add noise to the images and keep the classifier's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.seeds import generator
from retrace.stage import Inputs, Output
from retrace.studies.dummy.linear import features
from retrace.studies.dummy.pause import pause

if TYPE_CHECKING:
    from retrace.studies.dummy.params import Attack


def run(params: Attack, inputs: Inputs, seed: int) -> Output:
    """Leave `scores` float64 (noises, N, classes)."""
    pause()
    rows = features(inputs["prepare"].read_arrays()["x"])
    weights = inputs["train"].read_scratch()["weights"]
    rng = generator(seed, "dummy", "noise")
    scores = np.stack([(rows + rng.normal(0, noise, rows.shape)) @ weights for noise in params.noises])
    return Output({"noises": list(params.noises)}, arrays={"scores": scores})
