"""What no seed changes: the aligned dense network, its answers, those of compressors without calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.device import current
from retrace.llm.load import load
from retrace.stage import Array, Inputs, Output
from retrace.studies.compression.compressing import compressed
from retrace.studies.compression.setup import align, asked, calibration, dense, evaluate, overlay

if TYPE_CHECKING:
    from retrace.studies.compression.params import Prepare


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """Arrays: `<network>/<dimension>` and `<network>/nll` (see `setup.evaluate`) of "dense", "smaller" and
    each fixed compressor, `error/<compressor>` (matrices,), and `label/<dimension>` (N,) bool.

    Results: the model, losses of the alignment, and how each dimension is judged. Scratch: aligned weights.
    """
    aligned, losses = align(params)
    model, made = dense(params, aligned), asked(params, inputs["dataset"])
    arrays: dict[str, Array] = {
        f"label/{d.name}": np.array([probe.label for probe in d.probes], dtype=bool) for d in made
    }
    arrays |= {f"dense/{name}": values for name, values in evaluate(model, params, made).items()}
    about = {"name": model.name, "note": model.note}
    if params.fixed:
        rows = calibration(model, params, 0, "fixed")
        weights, errors = compressed(model, rows, params.fixed, 0, params.calibration.sequential)
        for name in params.fixed:
            overlay(model, weights.pop(name))
            arrays |= {f"{name}/{what}": values for what, values in evaluate(model, params, made).items()}
            arrays[f"error/{name}"] = np.array(errors[name], dtype=np.float32)
    del model
    if params.smaller:
        other = load(params.smaller, current(), params.precision)
        arrays |= {f"smaller/{name}": values for name, values in evaluate(other, params, made).items()}
    judged = {
        d.name: {"rule": d.rule, "chance": d.chance, "proxy": d.proxy, "items": len(d.probes)} for d in made
    }
    return Output(
        {"model": about, "losses": losses, "dimensions": judged, "scoring": params.scoring},
        arrays=arrays,
        scratch=aligned,
    )
