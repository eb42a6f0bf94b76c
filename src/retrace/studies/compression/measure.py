"""Compressors that look at calibration rows: one pass of statistics for all, then each one's answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from retrace.llm.compressing import in_turn
from retrace.stage import Array, Inputs, Output
from retrace.studies.compression.setup import asked, calibration, dense, evaluate

if TYPE_CHECKING:
    from retrace.studies.compression.params import Measure


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Arrays: `<compressor>/<dimension>`, `<compressor>/nll` and `error/<compressor>`, as in `prepare`; of
    SparseGPT also `error/<compressor>_masks`, of what it keeps without its updates.

    Results: calibration tokens. Timing: CPU seconds of all compressors together.
    """
    model = dense(params, inputs["prepare"].read_scratch())
    made, rows = asked(params, inputs["dataset"]), calibration(model, params, seed)
    sequential, together = params.calibration.sequential, params.together
    arrays: dict[str, Array] = {}
    spent, begun = 0.0, time.process_time()
    for name, errors in in_turn(model, rows, params.configs, seed, sequential, together):
        spent += time.process_time() - begun
        arrays |= {f"{name}/{what}": values for what, values in evaluate(model, params, made).items()}
        arrays |= {f"error/{at}": np.array(values, dtype=np.float32) for at, values in errors.items()}
        begun = time.process_time()
    return Output({"tokens": sum(map(len, rows))}, timing={"compressing_cpu_s": spent}, arrays=arrays)
