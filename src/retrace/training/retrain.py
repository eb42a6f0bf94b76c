"""Retraining on shifted data under a stop rule, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from retrace.training.batches import epochs, steps_per_epoch
from retrace.training.evaluate import Evaluator
from retrace.training.optim import OptimiserSettings
from retrace.training.steps import Stepper, Stopwatch, seeded
from retrace.training.stoprule import TOLERANCE, StopRule

CHECKED = 100  # test images, at least, between places where a check may end


@dataclass(frozen=True)
class Shifted:
    """Shifted images to retrain and to test on: (N, C, H, W) float32 and (N,) int64 each."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


@dataclass(frozen=True)
class RetrainSettings:
    """How to retrain. `eval_every`: steps between checks of the test accuracy, 0 for once an epoch."""

    rule: StopRule
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    batch: int = 32
    eval_every: int = 6

    def __post_init__(self) -> None:
        if self.eval_every < 0:
            raise ValueError(f"eval_every {self.eval_every}: must be 0 (once an epoch) or a number of steps")


@dataclass(frozen=True)
class Retrained:
    """`costs` are the same when repeated with the same seed; `timing` (seconds) is not."""

    costs: dict[str, Any]
    timing: dict[str, float]


def check_steps(per_epoch: int, settings: RetrainSettings) -> list[int]:
    """Steps (from 1) after which accuracy is checked; the last is the cap, also where it is no multiple."""
    every = settings.eval_every or per_epoch
    last = max(1, round(settings.rule.max_epochs * per_epoch))
    return [*range(every, last, every), last]


def change(now: Tensor, start: Tensor, power: float) -> float:
    """||now - start||_2 / numel**power, in float64."""
    size: float = now.numel() ** power
    return float(torch.linalg.vector_norm((now - start).double())) / size


def costs_of(
    curve: list[tuple[float, float]],
    outcome: str,
    steps: int,
    per_epoch: int,
    norms: Tensor,
    params: list[Tensor],
    start: list[Tensor],
) -> dict[str, Any]:
    """The costs of a finished retraining, all JSON-able and deterministic; see `retrain`."""
    official = [*range(per_epoch - 1, steps, per_epoch)]
    if steps % per_epoch:
        official.append(steps - 1)
    norms = norms.double().cpu()
    pairs = list(zip(params, start, strict=True))
    return {
        "epochs": steps / per_epoch,
        "steps": steps,
        "outcome": outcome,
        "censored": outcome == "CAP",
        "grad_norm_mean": float(norms.mean()),
        "grad_norm_official": float(norms[official].sum()),
        "param_change": sum(change(p, s, 0.5) for p, s in pairs) / len(pairs),
        "param_change_mean_numel": sum(change(p, s, 1.0) for p, s in pairs) / len(pairs),
        "curve": [[epoch, accuracy] for epoch, accuracy in curve],
    }


def timing_of(training: Stopwatch, checking: Stopwatch) -> dict[str, float]:
    """Wall and CPU seconds of training steps and of checks by name."""
    return {
        "train_seconds": training.seconds,
        "train_cpu_seconds": training.cpu_seconds,
        "check_seconds": checking.seconds,
        "check_cpu_seconds": checking.cpu_seconds,
    }


def retrain(net: nn.Module, data: Shifted, settings: RetrainSettings, seed: int) -> Retrained:
    """Retrain all layers of `net` in place until the stop rule ends it, at the latest at its cap.

    Costs: `epochs` (steps until the check that ended it / steps an epoch), `steps`, `outcome` (PASS,
    PASS_1, PASS_2, CAP), `censored` (capped), `grad_norm_mean` (over steps), `grad_norm_official` (norm
    left by the last batch of each epoch begun, summed over epochs, as the published code records it),
    `param_change` (mean over tensors of ||d||_2 / sqrt(numel) against the start),
    `param_change_mean_numel` (the same with numel, the published code's second definition), `curve`
    (pairs epoch, test accuracy; without cut-offs a check between the first and the last ends as soon as
    the target is out of its reach, and its accuracy is then the most that it could have been).
    Timing: wall and CPU seconds of the training steps alone (`train_seconds`, `train_cpu_seconds`) and of
    the checks (`check_seconds`, `check_cpu_seconds`).
    Leaves the network in evaluation mode. StageError when a loss is not finite.
    """
    per_epoch = steps_per_epoch(len(data.y_train), settings.batch)
    stepper = Stepper(net, settings.optimiser, track_norms=True)
    start = [p.detach().clone() for p in stepper.params]
    evaluator = Evaluator(net, data.x_test, data.y_test, max(CHECKED, len(data.y_test) // 6))
    checks = check_steps(per_epoch, settings)
    short = settings.rule.target - TOLERANCE if not settings.rule.cutoffs else 0.0
    training, checking = Stopwatch(), Stopwatch()
    curve: list[tuple[float, float]] = []
    steps, outcome = 0, None
    with seeded(seed, data.x_train.device):
        stream = epochs(data.x_train, data.y_train, settings.batch, seed)
        waiting = next(stream)
        for check in checks:
            before = steps
            while steps < check:
                if not waiting:
                    waiting = next(stream)
                stepper.optimiser.lr = settings.optimiser.lr_at(steps // per_epoch)
                chunk, waiting = waiting[: check - steps], waiting[check - steps :]
                with training:
                    stepper.run(chunk)
                steps += len(chunk)
            stepper.check_finite(before, per_epoch)
            with checking:
                needed = 0.0 if check in (checks[0], checks[-1]) else short
                curve.append((steps / per_epoch, evaluator.accuracy(needed)))
            outcome = settings.rule.decide([e for e, _ in curve], [a for _, a in curve])
            if outcome is not None:
                break
    net.eval()
    params = [p.detach() for p in stepper.params]
    costs = costs_of(curve, outcome or "CAP", steps, per_epoch, torch.stack(stepper.norms), params, start)
    return Retrained(costs, timing_of(training, checking))
