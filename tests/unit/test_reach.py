"""`retrace reach` names exactly what gets another key, and counts what its evidence cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrace import cli
from retrace import recipe as recipes
from retrace.config import Config
from retrace.errors import RetraceError
from retrace.planning.known import Known
from retrace.planning.workflow import Workflow
from retrace.records.evidence import seal, write_evidence
from retrace.upkeep import reach

ROOT = Path(__file__).resolve().parents[2]
CONFIG = Config(scale="smoke", studies=["reuse"])
MEASURE = "src/retrace/metrics/reuse/arm.py"


@pytest.fixture(scope="module")
def flow():
    return Workflow.plan(CONFIG, ROOT)


def names(flow, file):
    """Stages and products that a change of `file` reaches, by name."""
    found = reach.reach(flow, [file])
    return {task.label for task in found.tasks}, {(p.verb, p.name) for p in found.products}


@pytest.mark.parametrize(
    "file",
    [
        MEASURE,
        "src/retrace/seeds.py",
        "src/retrace/studies/reuse/train.py",
        "src/retrace/studies/reuse/table.py",
        "src/retrace/data/catalogue.py",
        "src/retrace/plot/style.py",
        "src/retrace/report/html.py",
        "src/retrace/upkeep/audit.py",
        "src/retrace/nets/memory/ntm.py",
    ],
)
def test_what_a_change_reaches_is_what_gets_another_key(flow, monkeypatch, tmp_path, file):
    before = {task.label: task.key for task in flow.plans["reuse"].tasks.values()}
    products = {(p.verb, p.name): p.key for p in [*flow.judged.values(), *flow.drawn.values(), flow.report]}
    real = recipes._shape
    monkeypatch.setattr(recipes, "_shape", lambda path: "changed" if path == ROOT / file else real(path))
    new = Workflow.plan(CONFIG, ROOT, Known(tmp_path))  # which remembers no digest
    after = {task.label: task.key for task in new.plans["reuse"].tasks.values()}
    made = [*new.judged.values(), *new.drawn.values(), new.report]
    assert names(flow, file) == (
        {label for label, key in after.items() if key != before[label]},
        {(p.verb, p.name) for p in made if p.key != products[p.verb, p.name]},
    )


def test_a_shared_module_reaches_every_stage_and_one_measures_only_measure(flow):
    stages, products = names(flow, "src/retrace/seeds.py")
    assert {label.split()[1] for label in stages} == {"prepare", "train", "attack", "defend", "measure"}
    assert products == {(verb, p) for verb in ("judge", "draw") for p in flow.judged} | {("report", "smoke")}
    assert {label.split()[1] for label in names(flow, MEASURE)[0]} == {"measure"}


def test_what_needs_a_rekeyed_stage_follows(flow):
    stages, _ = names(flow, "src/retrace/studies/reuse/train.py")
    assert {label.split()[1] for label in stages} == {"train", "defend", "measure"}


def test_a_table_reaches_products_only(flow):
    stages, products = names(flow, "src/retrace/studies/reuse/table.py")
    assert not stages
    assert {("judge", "arm"), ("draw", "arm"), ("report", "smoke")} <= products


def test_claims_templates_data_and_sheets_reach_what_reads_them(flow):
    assert names(flow, "claims/arm.yaml") == (
        set(),
        {("judge", "arm"), ("draw", "arm"), ("report", "smoke")},
    )
    assert names(flow, "src/retrace/report/template.html.j2") == (set(), {("report", "smoke")})
    assert names(flow, "config/studies/safety.yaml") == (set(), set())
    every = {task.label for task in flow.plans["reuse"].tasks.values()}
    assert names(flow, "config/studies/reuse.yaml")[0] == names(flow, "data/raw/digits.npz")[0] == every


def test_what_nothing_imports_reaches_nothing(flow, capsys):
    assert names(flow, "src/retrace/cli.py") == (set(), set())
    assert cli.main(["reach", "--scale", "smoke", "retrace.cli"]) == 0
    assert "nothing: no stage, verdict, figure or report" in capsys.readouterr().out


def leave(task, root, cpu_seconds, name=None, **changes):
    """Evidence of a task below `root` that cost so much, under its own name or another."""
    blocks = {name: {} for name in ("results", "timing", "environment", "files")}
    recipe = {**task.recipe, **changes}
    record = seal({"recipe": recipe, "meter": {"cpu_seconds": cpu_seconds}, **blocks})
    path = root / task.evidence
    path.parent.mkdir(parents=True, exist_ok=True)
    write_evidence(path.with_name(name or path.name), record)


def test_costs_are_the_meters_of_the_evidence_here(flow, tmp_path):
    found = reach.reach(flow, [MEASURE])
    stages = len(found.tasks)
    assert next(reach.lines(found, tmp_path)) == f"reuse.measure: {stages} jobs, no evidence here"
    leave(found.tasks[0], tmp_path, 40.2)
    assert list(reach.lines(found, tmp_path))[:2] == [
        f"{name}: {stages} jobs, 40 CPU s (no evidence here of {stages - 1})"
        for name in ("reuse.measure", "total")
    ]
    # what other parameters cost says nothing
    leave(found.tasks[1], tmp_path, 99.0, f"measure-{'f' * 12}.json", params={})
    assert next(reach.lines(found, tmp_path)).startswith(f"reuse.measure: {stages} jobs, 40 CPU s (")
    # after the edit its own evidence is not there yet: what the code before it cost
    for task in found.tasks[1:]:
        leave(task, tmp_path, 10.0, f"measure-{'0' * 12}.json")
    assert (
        next(reach.lines(found, tmp_path))
        == f"reuse.measure: {stages} jobs, {40.2 + 10 * (stages - 1):.0f} CPU s"
    )


def test_files_are_named_by_path_or_module_and_a_wrong_name_is_one_line(monkeypatch):
    by_module = reach.text(CONFIG, ROOT, ["retrace.metrics.reuse.arm"])
    assert by_module == reach.text(CONFIG, ROOT, [str(ROOT / MEASURE)])
    monkeypatch.chdir(ROOT / "src/retrace/metrics")
    assert by_module == reach.text(CONFIG, ROOT, ["reuse/arm.py"])
    assert by_module == reach.text(CONFIG, ROOT, [MEASURE])  # from the root, wherever one stands
    for name, near in {
        "src/retrace/metrics/arm.py": MEASURE,  # moved
        "retrace.metrics.reuse.resqe": "retrace.metrics.reuse.resque",
        "claims/amr.yaml": "claims/arm.yaml",
    }.items():
        with pytest.raises(RetraceError, match=f"did you mean '{near}'"):
            reach.text(CONFIG, ROOT, [name])
    with pytest.raises(RetraceError, match=r"'README\.md'; give a file of src/retrace,"):
        reach.text(CONFIG, ROOT, ["README.md"])


def test_declarations_and_sheets_say_that_values_count():
    for file in ("src/retrace/studies/reuse/study.py", "config/studies/reuse.yaml"):
        assert f"\n{file}: its values are in keys" in reach.text(CONFIG, ROOT, [file])
    assert "values" not in reach.text(CONFIG, ROOT, [MEASURE])
