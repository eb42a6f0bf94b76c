"""What is left to do, and the least to ask for so that all of it is done.

Every file that a job or a target asks for costs the workflow system a search for who makes it, and there are
a few such edges a job. A job that another one to run needs is made without being asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from retrace.planning.plan import Task


class Todo:
    """The tasks of a plan (by key, needed ones first) that lack files, as the disk was when first asked."""

    def __init__(self, tasks: dict[str, Task], root: Path) -> None:
        self._tasks, self._root = tasks, root
        self._lacking: dict[str, str] = {}

    def file(self, task: Task) -> str:
        """The file to ask for where a task is needed: the first that lacks, so that it is made.

        One is enough, as a job leaves all of its files.
        """
        return self._lacks(task) or task.evidence

    def _lacks(self, task: Task) -> str:
        """The first of a task's files that is not there; empty when all are."""
        if task.key not in self._lacking:
            absent = (path for path in task.outputs.values() if not os.path.isfile(f"{self._root}/{path}"))
            self._lacking[task.key] = next(absent, "")
        return self._lacking[task.key]

    @cached_property
    def missing(self) -> set[str]:
        """Keys of tasks whose evidence or arrays are not there; lost scratch alone is not missed."""
        return {key for key, task in self._tasks.items() if self._lacks(task) in task.lasting}

    @cached_property
    def pending(self) -> set[str]:
        """Keys of tasks to run: what is missing, and whose scratch a task to run needs."""
        pending = set(self.missing)
        for task in reversed(self._tasks.values()):
            if task.key in pending:
                pending |= {need.key for need in task.needs.values() if self._lacks(need)}
        return pending

    def ends(self, tasks: Iterable[Task]) -> list[Task]:
        """Those of `tasks` that are missing and that no other missing one of them needs.

        Whoever asks for these asks for all missing ones, and for what they need.
        """
        missing = {task.key: task for task in tasks if task.key in self.missing}
        return _not_needed(missing.values(), by=missing.values())

    def needs(self, task: Task) -> list[Task]:
        """What a task to run has to ask for: all it needs but what another of these, to run itself, needs."""
        needs = task.needs.values()
        return _not_needed(needs, by=[need for need in needs if need.key in self.pending])


def _not_needed(tasks: Iterable[Task], by: Iterable[Task]) -> list[Task]:
    needed = {need.key for task in by for need in task.needs.values()}
    return [task for task in tasks if task.key not in needed]
