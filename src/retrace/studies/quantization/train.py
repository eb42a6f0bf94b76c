"""Train at full precision: on groups of unlike size, with the smallest enlarged, and a small network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from retrace import device
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.quantization.setup import Data, set_up, untrained
from retrace.training.loop import TrainSettings, train
from retrace.training.optim import OptimiserSettings

if TYPE_CHECKING:
    from retrace.studies.quantization.params import Train


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """Leaves `<network>/<parameter or buffer>` of `full`, `smaller` and, if asked for, `enlarged`.

    SGD with momentum 0.9 and a rate that falls along a cosine; all see their images in an order of one seed.
    """
    chosen = device.current()
    data = set_up(inputs, chosen)
    cosine = tuple(
        (e, params.learning_rate * 0.5 * (1 + math.cos(math.pi * e / params.epochs)))
        for e in range(params.epochs)
    )
    optimiser = OptimiserSettings("sgd", params.learning_rate, params.weight_decay, schedule=cosine)
    settings = TrainSettings(optimiser, params.batch, params.epochs)
    results, scratch, timing = {}, dict[str, Array](), {}
    for which in ("full", "smaller", *(("enlarged",) if params.enlarged else ())):
        net = untrained(params, which, data, seed).to(chosen)
        x, y = _images(data, which)
        history = train(net, x, y, settings, derive(seed, "quantization", "order"))
        weights = sum(p.numel() for p in net.parameters())
        results[which] = {"loss": history.losses[-1], "steps": history.steps, "weights": weights}
        timing[which] = history.seconds
        scratch |= {f"{which}/{name}": v.cpu().contiguous().numpy() for name, v in net.state_dict().items()}
    return Output({"networks": results}, timing, scratch=scratch)


def _images(data: Data, which: str) -> tuple[torch.Tensor, torch.Tensor]:
    parts = ("train", "more") if which == "enlarged" else ("train",)
    return torch.cat([data.x[p] for p in parts]), torch.cat([data.y[p] for p in parts])
