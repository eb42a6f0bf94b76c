"""Train every network of a cell on its task."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from retrace.data.sequences.tasks import Characters, Pixels
from retrace.device import current
from retrace.errors import RetraceError
from retrace.nets.access import state_arrays
from retrace.nets.memory.base import MemoryNet, parameter_count
from retrace.seeds import derive
from retrace.stage import Array, Evidence, Inputs, Output, StageError
from retrace.studies.memory.setup import kind_of_loss, length, restore, training
from retrace.training.sequences import FitSettings, History, fit

if TYPE_CHECKING:
    from retrace.studies.memory.params import Train


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """Train each network; tasks drawn at random end when the strict level is reached, others with the budget.

    Results of each network: `parameters`, and `curve` with optimiser steps, loss of a sequence in bits and
    share of errors, a number a window. Timing: seconds and CPU seconds so far, likewise; `paces`: CPU
    milliseconds of an optimiser step, a number a round in which all networks took turns. Leaves the weights.
    """
    prepared, device = inputs["prepare"], current()
    results: dict[str, Any] = {}
    timing: dict[str, Any] = {}
    scratch: dict[str, Array] = {}
    for name in params.models:
        net, history = _train(params, prepared, name, seed, device)
        results[name] = {
            "parameters": parameter_count(net),
            "curve": {"steps": history.steps, "loss": history.loss, "errors": history.errors},
            "stopped": history.stopped,
        }
        timing[name] = {"seconds": history.seconds, "cpu_seconds": history.cpu_seconds}
        scratch |= {f"{name}/{key}": value for key, value in state_arrays(net).items()}
    paces: dict[str, list[float]] = {name: [] for name in params.models}
    for _ in range(params.rounds):
        for name, found in paces.items():
            turn = _train(params, prepared, name, seed, device, params.round_steps)[1]
            found.append(1000 * turn.cpu_seconds[-1] / turn.steps[-1])
    return Output({"models": results}, {"models": timing, "paces": paces}, scratch=scratch)


def _train(
    params: Train, prepared: Evidence, name: str, seed: int, device: str, most: int | None = None
) -> tuple[MemoryNet, History]:
    """The network `name`, trained afresh; `most`: optimiser steps to end after."""
    task, model = params.task, params.models[name]
    net = restore(model, prepared, derive(seed, "weights", name)).to(device)
    bits = not isinstance(task, Pixels | Characters)
    steps = length(params, model, prepared, params.steps)
    settings = FitSettings(
        optimiser=params.optimizer,
        learning_rate=model.learning_rate or params.learning_rate,
        clip=params.clip,
        clip_at=params.clip_at,
        kappa=params.kappa,
        window=params.window,
        stop=params.levels[-1] if bits else -1.0,
        cut=(model.truncation or params.truncation) if bits else None,
        drop_at=None if params.drop is None else round(params.drop * steps),
    )
    try:
        pieces = islice(training(params, model, prepared, params.steps, seed, device), most)
        return net, fit(net, pieces, kind_of_loss(task), settings, derive(seed, "noise", name))
    except (RetraceError, ValueError) as error:
        raise StageError(f"{name}: {error}") from None
