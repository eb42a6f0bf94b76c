"""What the whole network and its damaged copies say of every text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.forgetting.damage import damaged
from retrace.studies.forgetting.setup import case, logits, restored
from retrace.training.finetune import Tuning

if TYPE_CHECKING:
    from retrace.studies.forgetting.params import Measure


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Arrays `<copy>/train` and `<copy>/test`: logits (N, classes) of `round_<levels>`, `prune_<permille>`,
    `noise_<permille>`.
    """
    shared = case(params, inputs, seed)
    net = restored(shared.network(), inputs["train"].read_scratch())
    settings = Tuning(1, 1, 1.0, half=params.half)
    arrays: dict[str, Array] = {}
    for name, twin in damaged(net, params, derive(seed, "forgetting", "noise") % 2**63):
        arrays |= logits(name, twin, shared, settings)
    return Output({"copies": len(arrays) // 2}, arrays=arrays)
