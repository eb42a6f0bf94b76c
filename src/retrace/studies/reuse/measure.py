"""Compute every index and rival of each condition from forward passes of the source network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrace.device import current
from retrace.metrics.clean_side import clean_side
from retrace.metrics.reuse_indices import all_indices, all_task_indices
from retrace.seeds import derive
from retrace.studies.reuse.images import tensor
from retrace.studies.reuse.source import restore
from retrace.study import Inputs, Output

if TYPE_CHECKING:
    from retrace.studies.reuse.params import Params


def run(params: Params, inputs: Inputs, seed: int) -> Output:
    """Indices on the retraining images, clean against shifted; RESQUE's reference is the source images.

    Results per condition: `indices`, name -> value, larger = more retraining expected.
    """
    parts = inputs["prepare"].read_scratch()
    shifted = inputs["attack"].read_scratch()
    classes = inputs["prepare"].results["classes"]
    net = restore(params.network, inputs).to(current())
    clean = clean_side(
        net,
        tensor(parts["target.x"]),
        parts["target.y"],
        classes,
        reference=(tensor(parts["source.x"]), parts["source.y"]),
        full_map_images=500 if params.shift == "dist" else 0,
        seed=derive(seed, "measure"),
    )
    results = []
    for i, condition in enumerate(params.conditions):
        images = tensor(shifted[f"{i}.target.x"])
        if params.shift == "dist":
            indices = all_indices(net, clean, images, seed=derive(seed, "measure"))
            indices.pop("pixel_rmse")  # the attack stage has it, from the same pixels
        else:
            indices = all_task_indices(
                net, images, shifted[f"{i}.target.y"], clean, seed=derive(seed, "measure")
            )
        results.append({"condition": condition, "indices": indices})
    return Output({"layer": clean.layer, "conditions": results})
