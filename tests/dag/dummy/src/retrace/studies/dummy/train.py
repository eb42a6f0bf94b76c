"""Fit the classifier on a random half of the images."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from retrace.seeds import generator
from retrace.stage import Inputs, Output
from retrace.studies.dummy.linear import features, fit
from retrace.studies.dummy.pause import pause

if TYPE_CHECKING:
    from retrace.studies.dummy.params import Train


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """Leave the weights as scratch and their norm as result."""
    pause()
    begin = time.process_time()
    arrays = inputs["prepare"].read_arrays()
    half = generator(seed, "dummy", "half").permutation(len(arrays["y"]))[::2]
    weights = fit(features(arrays["x"])[half], arrays["y"][half], params.ridge)
    norm = float(np.linalg.norm(weights))
    return Output({"norm": norm}, {"cpu_seconds": time.process_time() - begin}, scratch={"weights": weights})
