"""Retrain the source network under every condition until it is good again, and record what it cost."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from retrace.device import current
from retrace.errors import RetraceError
from retrace.nets.access import replace_head
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output, StageError
from retrace.studies.reuse.setup import restore
from retrace.training.batches import to_tensor
from retrace.training.evaluate import Evaluator
from retrace.training.optim import OptimiserSettings
from retrace.training.retrain import Retrained, RetrainSettings, Shifted, retrain
from retrace.training.stoprule import StopRule

if TYPE_CHECKING:
    from retrace.studies.reuse.params import Defend

COSTS = ("epochs", "steps", "grad_norm_mean", "grad_norm_official", "param_change", "param_change_mean_numel")


def run(params: Defend, inputs: Inputs, seed: int) -> Output:
    """Retrain all layers on each shifted data set (a fresh head for tasks), `repetitions` times, averaged.

    Results: `target`, the test accuracy at which retraining stops. Per condition: `costs` (see
    `retrace.training.retrain`), `censored` (a repetition reached the cap: the costs are at least these),
    `at_first_check` (one ended at its first check: at most these), `accuracy` before and after, `first_check`
    (epochs to the target extrapolated from the first check of the retraining itself: a rival that needs
    training). Timing per condition: seconds of training steps, evaluation left out.
    """
    target = target_accuracy(params, inputs["train"].results["accuracy"])
    parts = inputs["prepare"].read_scratch()
    shifted = inputs["attack"].read_scratch()
    source = restore(params.network, inputs).to(current())
    results, timing = [], []
    for i, condition in enumerate(params.conditions):
        data = _data(parts, shifted, i)
        runs = []
        for repetition in range(params.repetitions):
            net = _start(source, params, data, derive(seed, "head", condition, repetition))
            before = Evaluator(net, data.x_test, data.y_test).accuracy()
            order = derive(seed, "retrain", condition, repetition)
            runs.append((before, _retrain(net, data, params, target, order, condition)))
        results.append(_summary(condition, runs, target))
        timing.append(
            {
                "seconds": sum(run.timing["train_seconds"] for _, run in runs),
                "cpu_seconds": sum(run.timing["train_cpu_seconds"] for _, run in runs),
            }
        )
    return Output({"target": target, "conditions": results}, {"conditions": timing})


def target_accuracy(params: Defend, clean: float) -> float:
    """The accuracy at which retraining stops; `clean` is the source network's on clean test images.

    One target for networks of unequal clean accuracy would leave each another distance to go. StageError
    where nothing is left to reach.
    """
    if params.below_clean is None:
        assert params.target is not None
        return params.target
    if clean <= params.below_clean:
        raise StageError(
            f"below_clean {params.below_clean}: the source network's clean accuracy is only {clean:.3f}; "
            "lower it or train the network longer"
        )
    return clean - params.below_clean


def _data(parts: dict[str, Array], shifted: dict[str, Array], i: int) -> Shifted:
    def part(name: str) -> tuple[Any, Any]:
        y = shifted.get(f"{i}.{name}.y", parts[f"{name}.y"])
        return to_tensor(shifted[f"{i}.{name}.x"], current()), torch.from_numpy(y).to(current())

    return Shifted(*part("target"), *part("test"))


def _start(source: nn.Module, params: Defend, data: Shifted, seed: int) -> nn.Module:
    net = copy.deepcopy(source)
    if params.shift == "task":
        replace_head(net, int(data.y_train.max()) + 1, seed)
    return net


def _retrain(
    net: nn.Module, data: Shifted, params: Defend, target: float, seed: int, condition: str
) -> Retrained:
    rule = StopRule(target, params.max_epochs, tuple((d, e) for d, e in params.margins))
    optimiser = OptimiserSettings(params.optimizer, lr=params.retrain_rate, weight_decay=params.weight_decay)
    settings = RetrainSettings(rule, optimiser, params.batch, params.eval_every)
    try:
        return retrain(net, data, settings, seed)
    except RetraceError as error:
        raise StageError(f"{condition}: {error}") from None


def _summary(condition: str, runs: list[tuple[float, Retrained]], target: float) -> dict[str, Any]:
    costs = [run.costs for _, run in runs]
    return {
        "condition": condition,
        "costs": {name: float(np.mean([cost[name] for cost in costs])) for name in COSTS},
        "censored": any(cost["censored"] for cost in costs),
        "at_first_check": any(len(cost["curve"]) == 1 and not cost["censored"] for cost in costs),
        "outcomes": [cost["outcome"] for cost in costs],
        "accuracy_before": float(np.mean([before for before, _ in runs])),
        "accuracy_after": float(np.mean([cost["curve"][-1][1] for cost in costs])),
        "first_check": float(
            np.mean([first_check(before, run.costs["curve"], target) for before, run in runs])
        ),
        "curves": [cost["curve"] for cost in costs],
    }


def first_check(before: float, curve: list[list[float]], target: float) -> float:
    """Epochs to the target by the straight line from the start through the first check.

    `curve` has (epoch, accuracy) pairs. It needs a little retraining, unlike the other rivals, and sees no
    later check; a run that ended at that check has it as its cost. A line that does not rise is taken to
    rise by 0.001.
    """
    epoch, accuracy = curve[0]
    return epoch * max(target - before, 0.0) / max(accuracy - before, 1e-3)
