"""Compute every index and rival of each condition from forward passes of the source network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.device import current
from retrace.metrics.reuse.clean_side import clean_side
from retrace.metrics.reuse.indices import all_indices, all_task_indices
from retrace.seeds import derive, generator
from retrace.stage import Array, Inputs, Output
from retrace.studies.reuse.setup import restore
from retrace.training.batches import to_tensor

if TYPE_CHECKING:
    from retrace.studies.reuse.params import Measure


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Indices on the retraining images, clean against shifted; RESQUE's reference is the source images.

    Results per condition: `indices`, name -> value, larger = more retraining expected.
    """
    parts = inputs["prepare"].read_scratch()
    shifted = inputs["attack"].read_scratch()
    classes = inputs["prepare"].results["classes"]
    net = restore(params.network, inputs).to(current())
    rows = _rows(len(parts["target.y"]), params.index_images, seed)
    clean = clean_side(
        net,
        to_tensor(parts["target.x"][rows]),
        parts["target.y"][rows],
        classes,
        reference=(to_tensor(parts["source.x"]), parts["source.y"]),
        full_map_images=128 if params.shift == "dist" else 0,
        seed=derive(seed, "measure"),
    )
    results = []
    for i, condition in enumerate(params.conditions):
        if params.shift == "dist":
            images = to_tensor(shifted[f"{i}.target.x"][rows])
            indices = all_indices(net, clean, images, seed=derive(seed, "measure"))
            indices.pop("pixel_rmse")  # the attack stage has it, from the same pixels
        else:
            labels = shifted[f"{i}.target.y"]
            some = _rows(len(labels), params.index_images, seed)
            images = to_tensor(shifted[f"{i}.target.x"][some])
            indices = all_task_indices(net, images, labels[some], clean, seed=derive(seed, "measure"))
        results.append({"condition": condition, "indices": indices})
    return Output({"layer": clean.layer, "conditions": results})


def _rows(count: int, wanted: int | None, seed: int) -> Array:
    """All rows, or `wanted` of them at random, in file order."""
    if wanted is None or wanted >= count:
        return np.arange(count)
    return np.sort(generator(seed, "measure", "rows").permutation(count)[:wanted])
