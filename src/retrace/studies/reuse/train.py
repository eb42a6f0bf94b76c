"""Train the source network on clean images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from retrace.device import current
from retrace.nets.access import state_arrays
from retrace.nets.registry import build
from retrace.seeds import derive
from retrace.stage import Inputs, Output
from retrace.training.batches import to_tensor
from retrace.training.evaluate import Evaluator
from retrace.training.loop import TrainSettings, train
from retrace.training.optim import OptimiserSettings

if TYPE_CHECKING:
    from retrace.studies.reuse.params import Train


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """Adam on the source images for a fixed number of epochs; leaves the weights.

    Results: clean test accuracy, mean training loss per epoch, number of parameters, input shape.
    """
    parts = inputs["prepare"].read_scratch()
    classes = inputs["prepare"].results["classes"]
    device = current()
    x, y = to_tensor(parts["source.x"], device), torch.from_numpy(parts["source.y"]).to(device)
    shape = {"channels": x.shape[1], "size": x.shape[2], "classes": classes}
    net = build(params.network, x.shape[1], x.shape[2], classes, derive(seed, "train", "weights")).to(device)
    drop = ((params.drop_at, params.learning_rate / 10),) if params.drop_at else ()
    adam = OptimiserSettings("adam", params.learning_rate, params.weight_decay, schedule=drop)
    settings = TrainSettings(adam, params.batch, params.epochs)
    history = train(net, x, y, settings, derive(seed, "train", "order"))
    test = Evaluator(net, to_tensor(parts["test.x"], device), torch.from_numpy(parts["test.y"]).to(device))
    results = {
        "accuracy": test.accuracy(),
        "losses": history.losses,
        "steps": history.steps,
        "parameters": sum(p.numel() for p in net.parameters()),
        "shape": shape,
    }
    return Output(results, {"cpu_seconds": history.cpu_seconds}, scratch=state_arrays(net))
