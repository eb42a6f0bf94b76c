"""Asking for little: all that is missing is made all the same, and each job after what it needs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrace.planning.todo import Todo

KINDS = {"evidence": "json", "arrays": "npz", "scratch": "safetensors"}


@st.composite
def plans(draw):
    """Tasks that need earlier ones, the files of theirs that are there, and some of the tasks."""
    tasks, there = {}, set()
    for number in range(draw(st.integers(1, 9))):
        needs = draw(st.lists(st.sampled_from([*tasks.values()]), unique_by=id)) if tasks else []
        kinds = ["evidence", *draw(st.lists(st.sampled_from(["arrays", "scratch"]), unique=True))]
        outputs = {kind: f"{number}.{KINDS[kind]}" for kind in KINDS if kind in kinds}
        there |= draw(st.sets(st.sampled_from([*outputs.values()])))
        tasks[str(number)] = SimpleNamespace(
            key=str(number),
            needs={need.key: need for need in needs},
            outputs=outputs,
            evidence=outputs["evidence"],
            lasting=[path for kind, path in outputs.items() if kind != "scratch"],
        )
    return tasks, there, draw(st.sets(st.sampled_from([*tasks])))


def waits(todo, there, asked, needs):
    """The jobs that run when `asked` are, as Snakemake has it: those of absent files; for whom each waits."""
    jobs, queue = {}, [task for task in asked if todo.file(task) not in there]
    while queue:
        task = queue.pop()
        if task.key not in jobs:
            before = [need for need in needs(task) if todo.file(need) not in there]
            jobs[task.key] = {need.key for need in before}
            queue += before
    return jobs


@pytest.fixture
def folder(tmp_path):
    def fill(there):
        for path in tmp_path.iterdir():
            path.unlink()
        for path in there:
            (tmp_path / path).touch()
        return tmp_path

    return fill


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans())
def test_the_jobs_that_run_are_those_of_absent_files(folder, plan):
    tasks, there, some = plan
    todo = Todo(tasks, folder(there))
    everyone = [task for task in tasks.values() if not there.issuperset(task.lasting)]
    for chosen in (tasks.values(), [tasks[key] for key in some]):
        wanted = [task for task in everyone if task in chosen]
        plainly = waits(todo, there, wanted, lambda task: task.needs.values())
        assert waits(todo, there, todo.left(chosen), lambda task: task.needs.values()) == plainly
    assert set(waits(todo, there, everyone, lambda task: task.needs.values())) == todo.pending


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans())
def test_all_that_is_missing_is_asked_for_once(folder, plan):
    """Also what another missing one needs: that one may appear before Snakemake looks."""
    tasks, there, _ = plan
    todo = Todo(tasks, folder(there))
    assert [task.key for task in todo.left([*tasks.values()] * 2)] == [k for k in tasks if k in todo.missing]
