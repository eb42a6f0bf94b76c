"""From a learning curve to steps and costs of reaching a level; what becomes of runs that never do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrace.studies.memory.model import LEVELS


@dataclass(frozen=True)
class Run:
    """A training: optimiser steps, share of errors and CPU seconds so far, a number a window."""

    steps: list[int]
    errors: list[float]
    seconds: list[float]
    operations: float  # of one optimiser step

    def work(self, window: int) -> float:
        """Operations up to the end of a window."""
        return self.operations * self.steps[window]


def reached(errors: Sequence[float], level: float) -> int | None:
    """Position of the first window whose share of errors is at most `level`; None if there is none."""
    return next((i for i, error in enumerate(errors) if error <= level), None)


def horizons(runs: Sequence[Run], strict: float) -> tuple[float, float]:
    """CPU seconds and operations up to which all runs of a cell and seed were watched.

    The least that a run spent without reaching the strict level; infinite if all reached it.
    """
    open_ = [run for run in runs if reached(run.errors, strict) is None]
    seconds = min((run.seconds[-1] for run in open_), default=np.inf)
    return float(seconds), float(min((run.work(-1) for run in open_), default=np.inf))


def progress(
    run: Run, levels: Sequence[float], cap: int, horizon: tuple[float, float]
) -> dict[str, float | int | bool]:
    """Columns of a table about one run: steps, CPU seconds and operations to each level, and their means.

    A level not reached by `cap` counts with `cap` steps, one not reached within a horizon with the horizon.
    """
    columns: dict[str, Any] = {"ms_step": 1000 * run.seconds[-1] / run.steps[-1]}
    columns["log2_ms"] = float(np.log2(columns["ms_step"]))
    logs = []
    for name, level in zip(LEVELS, levels, strict=True):
        at = reached(run.errors, level)
        steps, seconds, work = (np.inf,) * 3 if at is None else (run.steps[at], run.seconds[at], run.work(at))
        restricted = min(steps, cap), min(seconds, horizon[0]), min(work, horizon[1])
        columns |= {
            f"steps_{name}": int(restricted[0]),
            f"cpu_{name}": float(restricted[1]),
            f"censored_{name}": bool(steps > cap),
        }
        logs.append(np.log2(restricted))
    means = map(float, np.mean(logs, axis=0))
    columns |= dict(zip(("log2_steps", "log2_cpu", "log2_work"), means, strict=True))
    columns["solved"] = float(not columns["censored_strict"])
    columns["area"] = area(run.steps, run.errors, cap)
    columns["cpu_seconds"] = run.seconds[-1]
    return columns


def area(steps: Sequence[int], errors: Sequence[float], cap: int) -> float:
    """Mean share of errors from the first step to the cap; the last one is held after an early stop."""
    before = [0, *steps[:-1]]
    inside = [(error, min(b, cap) - min(a, cap)) for error, a, b in zip(errors, before, steps, strict=True)]
    held = errors[-1] * max(cap - steps[-1], 0)
    return (sum(error * width for error, width in inside) + held) / cap
