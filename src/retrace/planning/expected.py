"""What the tasks of a plan are expected to take: for schedulers, for the order of jobs, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from retrace.config import Config
from retrace.costs.forecast import Estimate, Forecast, chains
from retrace.costs.summary import told
from retrace.errors import RetraceError
from retrace.planning.plan import StudyPlan, Task
from retrace.planning.preflight import device_of_jobs, has_accelerator

UNKNOWN = 60, 4000  # minutes and megabytes for a stage that its study does not count


@dataclass
class Expected:
    """Estimates of all tasks, worked out when first asked for; `lacking` says which studies do not count."""

    root: Path
    config: Config
    plans: Mapping[str, StudyPlan]

    @cached_property
    def _found(self) -> tuple[dict[str, Estimate], list[str]]:
        forecast, found, lacking = Forecast.of(self.root), {}, []
        for name, plan in self.plans.items():
            # seeds of a cell, or of its part, do the same work
            known: dict[tuple[str, str, str], Estimate] = {}
            try:
                for row in plan.rows:
                    for verb, task in row.tasks.items():
                        same = row.cell, task.group, verb
                        if same not in known:
                            device = self._device(task.stage.torch)
                            known[same] = forecast.estimate(name, verb, task.asked, device)
                        found[task.key] = known[same]
            except RetraceError as error:
                lacking.append(str(error))
        return found, lacking

    def _device(self, torch: bool) -> str:
        device = device_of_jobs(self.config, torch)
        return ("cuda" if has_accelerator() else "cpu") if device == "auto" else device

    @property
    def estimates(self) -> dict[str, Estimate]:
        """By key of the task; those of studies that do not count their work are missing."""
        return self._found[0]

    @property
    def lacking(self) -> list[str]:
        """A line for each study that does not count its work."""
        return self._found[1]

    @cached_property
    def chains(self) -> dict[str, float]:
        """Of each task, by key, the seconds of the longest chain of tasks that begins with it."""
        tasks = {key: task for plan in self.plans.values() for key, task in plan.tasks.items()}
        needs = {key: [need.key for need in task.needs.values()] for key, task in tasks.items()}
        seconds = {key: self.estimates[key].seconds if key in self.estimates else 1.0 for key in tasks}
        return chains(list(tasks), needs, seconds)

    def minutes(self, key: str, attempt: int) -> int:
        """Minutes that a scheduler is asked for."""
        known = self.estimates.get(key)
        return known.minutes(attempt) if known else UNKNOWN[0] * attempt

    def megabytes(self, key: str, attempt: int) -> int:
        """Megabytes of memory that a scheduler is asked for."""
        known = self.estimates.get(key)
        return known.megabytes(attempt) if known else UNKNOWN[1] * attempt

    def told(self, tasks: Iterable[Task]) -> list[str]:
        """What these tasks will take, in words; nothing for none."""
        known = {task.label: self.estimates[task.key] for task in tasks if task.key in self.estimates}
        return [*told(known, self.config.carbon.factor_kg_per_kwh), *self.lacking] if known else self.lacking
