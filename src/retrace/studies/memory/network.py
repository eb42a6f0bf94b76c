"""A network of the sheet, fresh or with the weights that the train stage left."""

from __future__ import annotations

from collections.abc import Mapping

from retrace.nets.access import load_arrays
from retrace.nets.memory.base import MemoryNet
from retrace.nets.memory.registry import build
from retrace.stage import Array, Evidence, StageError
from retrace.studies.memory.model import Net


def restore(
    model: Net, prepared: Evidence, seed: int, weights: Mapping[str, Array] | None = None
) -> MemoryNet:
    """The network that `model` describes for the channels of the prepared task; StageError for bad sizes."""
    inputs, outputs = prepared.results["channels"]
    try:
        net = build(model.network, inputs, outputs, model.hidden, model.slots, model.width, seed=seed)
    except ValueError as error:
        raise StageError(f"{model.network}: {error}") from None
    net.overwrite = model.overwrite
    if weights is not None:
        load_arrays(net, weights)
    return net.eval()
