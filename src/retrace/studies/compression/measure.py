"""Compressors that look at calibration rows: one pass of statistics for all, then each one's answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from retrace.stage import Array, Inputs, Output
from retrace.studies.compression.compressing import compressed
from retrace.studies.compression.setup import asked, calibration, dense, evaluate, overlay

if TYPE_CHECKING:
    from retrace.studies.compression.params import Measure


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Arrays: `<compressor>/<dimension>`, `<compressor>/nll` and `error/<compressor>`, as in `prepare`; of
    SparseGPT also `error/<compressor>_masks`, of what it keeps without its updates.

    Results: calibration tokens. Timing: CPU seconds of all compressors together.
    """
    model = dense(params, inputs["prepare"].read_scratch())
    made, rows = asked(params, inputs["dataset"]), calibration(model, params, seed)
    begun = time.process_time()
    weights, errors = compressed(model, rows, params.configs, seed, params.calibration.sequential)
    spent = time.process_time() - begun
    arrays: dict[str, Array] = {}
    for name in params.configs:
        overlay(model, weights.pop(name))
        arrays |= {f"{name}/{what}": values for what, values in evaluate(model, params, made).items()}
    arrays |= {f"error/{name}": np.array(values, dtype=np.float32) for name, values in errors.items()}
    return Output({"tokens": sum(map(len, rows))}, timing={"compressing_cpu_s": spent}, arrays=arrays)
