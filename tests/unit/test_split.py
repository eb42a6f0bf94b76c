"""A sheet may give every method of a cell a task of its own; nothing else gets another name."""

from __future__ import annotations

import pytest
import yaml
from test_sheet import ROOT, refusal

from retrace import sheet
from retrace.config import load_config
from retrace.jobs import read_job
from retrace.planning.plan import plan_study
from retrace.planning.products import context
from retrace.planning.workflow import Workflow
from retrace.upkeep import decide

SMOKE = load_config({"scale": "smoke"})
TAKEN = {"certification": ("measure",), "membership": ("defend", "measure", "attack")}


@pytest.fixture
def root(tmp_path):
    """A checkout without evidence, whose sheets may be changed."""
    for name in ("data", "src", "claims"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "config/studies").mkdir(parents=True)
    for path in (ROOT / "config/studies").iterdir():
        (tmp_path / "config/studies" / path.name).write_bytes(path.read_bytes())
    return tmp_path


def split(root, study, by="methods"):
    path = root / f"config/studies/{study}.yaml"
    read = yaml.safe_load(path.read_text())
    read["scales"]["smoke"]["split"] = by
    path.write_text(yaml.safe_dump(read, sort_keys=False))


@pytest.mark.parametrize("study", TAKEN)
def test_every_method_is_a_task_and_what_comes_before_is_shared(root, study):
    declared = sheet.load_study(study)
    whole = plan_study(declared, SMOKE, root)
    split(root, study)
    parts = plan_study(declared, SMOKE, root)
    for verb in declared.verbs[:-2]:
        before, after = whole.of_verb(verb), parts.of_verb(verb)
        if verb not in TAKEN[study]:
            assert [task.evidence for task in before] == [task.evidence for task in after]
            continue
        assert len({task.key for task in after}) == len(after)
        assert sum(len(task.params["methods"]) for task in before) == len(after)
        for task in after:
            ((name, method),) = task.params["methods"].items()
            cell, _, own = task.group.rpartition(".")
            assert own == name
            (like,) = (t for t in before if (t.group, t.seed) == (cell, task.seed))
            assert like.params["methods"][name] == method
            assert like.params | {"methods": 0} == task.params | {"methods": 0}
            assert read_job_of(task).params == task.params
            for need in task.needs.values():
                assert need.group.rpartition(".")[2] == name or need.key in whole.tasks


def read_job_of(task):
    from retrace.jobs import write_job

    return read_job(write_job(task.job(context(SMOKE, "cpu"))))


def test_parts_are_no_seeds(root):
    whole = Workflow.plan(SMOKE, root)
    split(root, "certification")
    parts = Workflow.plan(SMOKE, root)
    for flow in (whole, parts):
        assert flow.judged["certifiedpruning"].job.seeds == {"digits-adversarial": 2, "digits-certified": 2}
        assert set(decide._seeds(flow.plans["certification"]).values()) == {2}
    verdict = parts.judged["certifiedpruning"]
    assert len(verdict.job.rows) > len(whole.judged["certifiedpruning"].job.rows)
    assert {t.evidence for t in parts.plans["certification"].tasks.values()} <= set(verdict.inputs)


def test_what_no_stage_takes_apart_is_refused(root):
    split(root, "certification", "method")
    line = refusal(sheet.load_cells, sheet.load_study("certification"), "smoke", root)
    assert line == (
        "config/studies/certification.yaml: scales.smoke.split: unknown parameter 'method' "
        "(did you mean 'methods'?)"
    )


def test_the_larger_scales_are_split_and_the_smaller_keep_their_names():
    for study in TAKEN:
        declared = sheet.load_study(study)
        splits = {
            scale: {cell.split for cell in sheet.load_cells(declared, scale, ROOT)}
            for scale in ("smoke", "laptop", "gpu", "paper")
        }
        assert splits == {"smoke": {None}, "laptop": {None}, "gpu": {"methods"}, "paper": {"methods"}}


def test_scratch_is_needed_until_all_that_reads_it_is_done(root):
    from retrace.upkeep import index

    plan = plan_study(sheet.load_study("reuse"), SMOKE, root)
    train = plan.of_verb("train")[0]
    readers = [t for t in plan.tasks.values() if train in t.needs.values()]
    place = root / train.outputs["scratch"]

    def leave(path):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("{}")

    leave(train.outputs["scratch"])
    leave("results/scratch/mine.safetensors")
    for path in train.lasting:
        leave(path)
    for reader in readers:
        assert index.spent(SMOKE, root) == []
        for path in reader.lasting:
            leave(path)
    beyond = [t for t in plan.tasks.values() if any(r in t.needs.values() for r in readers)]
    while index.spent(SMOKE, root) == []:  # a reader's own scratch may be needed, and so made again
        for path in beyond.pop().lasting:
            leave(path)
    assert index.spent(SMOKE, root) == [place]
