"""What no seed changes: the aligned dense network, its answers, those of compressors without calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.device import current
from retrace.llm.compressing import in_turn
from retrace.llm.load import load
from retrace.stage import Array, Inputs, Output
from retrace.studies.compression.setup import align, answers, asked, calibration, dense, evaluate

if TYPE_CHECKING:
    from retrace.llm.judges.trust.probe import Dimension
    from retrace.studies.compression.params import Prepare


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """Arrays: `<network>/<dimension>` and `<network>/nll` (see `setup.evaluate`) of "dense", "smaller" and
    each fixed compressor, `error/<compressor>` (matrices,), and `label/<dimension>` (N,) bool.

    `gate/<dimension>` and `gate_label/<dimension>` are the dense network's, of the items that decide what is
    measurable.
    Results: the model, losses of the alignment, and how each dimension is judged. Scratch: aligned weights.
    """
    aligned, losses = align(params)
    model, made = dense(params, aligned), asked(params, inputs["dataset"])
    arrays: dict[str, Array] = {f"label/{d.name}": _labels(d) for d in made}
    arrays |= {f"dense/{name}": values for name, values in evaluate(model, params, made).items()}
    if params.gate:
        further = asked(params, inputs["dataset"], params.gate)
        arrays |= {f"gate_label/{d.name}": _labels(d) for d in further}
        arrays |= {f"gate/{name}": values for name, values in answers(model, params, further).items()}
    about = {"name": model.name, "note": model.note}
    if params.fixed:
        rows = calibration(model, params, 0, "fixed")
        sequential, together = params.calibration.sequential, params.together
        for name, errors in in_turn(model, rows, params.fixed, 0, sequential, together):
            arrays |= {f"{name}/{what}": values for what, values in evaluate(model, params, made).items()}
            arrays |= {f"error/{at}": np.array(values, dtype=np.float32) for at, values in errors.items()}
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


def _labels(dimension: Dimension) -> Array:
    return np.array([probe.label for probe in dimension.probes], dtype=bool)
