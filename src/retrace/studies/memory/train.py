"""Train every network of a cell on its task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrace.data.sequences.tasks import Characters, Pixels
from retrace.device import current
from retrace.errors import RetraceError
from retrace.nets.access import state_arrays
from retrace.nets.memory.base import parameter_count
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output, StageError
from retrace.studies.memory.setup import kind_of_loss, restore, training
from retrace.training.sequences import FitSettings, fit

if TYPE_CHECKING:
    from retrace.studies.memory.params import Train


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """Train each network; tasks drawn at random end when the strict level is reached, others with the budget.

    Results of each network: `parameters`, and `curve` with optimiser steps, loss of a sequence in bits and
    share of errors, a number a window. Timing: seconds and CPU seconds so far, likewise. Leaves the weights.
    """
    task, device = params.task, current()
    results: dict[str, Any] = {}
    timing: dict[str, Any] = {}
    scratch: dict[str, Array] = {}
    for name, model in params.models.items():
        net = restore(model, inputs["prepare"], derive(seed, "weights", name)).to(device)
        endless = isinstance(task, Pixels | Characters)
        settings = FitSettings(
            optimiser=params.optimizer,
            learning_rate=model.learning_rate or params.learning_rate,
            clip=params.clip,
            clip_at=params.clip_at,
            kappa=params.kappa,
            window=params.window,
            stop=-1.0 if endless else params.levels[-1],
        )
        pieces = training(params, model, inputs["prepare"], params.steps, seed, device)
        try:
            history = fit(net, pieces, kind_of_loss(task), settings, derive(seed, "noise", name))
        except (RetraceError, ValueError) as error:
            raise StageError(f"{name}: {error}") from None
        results[name] = {
            "parameters": parameter_count(net),
            "curve": {"steps": history.steps, "loss": history.loss, "errors": history.errors},
            "stopped": history.stopped,
        }
        timing[name] = {"seconds": history.seconds, "cpu_seconds": history.cpu_seconds}
        scratch |= {f"{name}/{key}": value for key, value in state_arrays(net).items()}
    return Output({"models": results}, {"models": timing}, scratch=scratch)
