"""What a rehearsal plans, cuts and leaves; that stages run is tests/science/test_rehearsed_cells.py."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrace.config import SCALES, Config
from retrace.cuts import apply, at_most, differences, exactly, only, some
from retrace.data import sets
from retrace.data.external_names import EXTERNAL
from retrace.data.texts.labelled_names import IMAGES
from retrace.errors import RetraceError
from retrace.planning.plan import plan_all
from retrace.rehearsal import cell as cells
from retrace.rehearsal import memory, places
from retrace.rehearsal.__main__ import main
from retrace.rehearsal.fork import forked
from retrace.rehearsal.plan import HOME, plan_rehearsal
from retrace.rehearsal.record import read_records, table, write_record, write_spec, write_table
from retrace.sheet import known_studies, load_cells, load_study

ROOT = Path(__file__).parents[2]
CONFIGS = {scale: Config(scale=scale, device="cpu") for scale in ("gpu", "paper")}


@pytest.fixture(scope="module")
def planned():
    return {scale: plan_rehearsal(config, ROOT) for scale, config in CONFIGS.items()}


def test_cuts():
    assert [at_most(2)(value) for value in (1, 3, 0.5, None)] == [1, 2, 0.5, 2]
    assert some(2)([1, 2, 3, 4]) == [1, 4]
    assert some(3)([1, 2, 3, 4, 5]) == [1, 3, 5]
    assert some(1)([1, 2]) == [1]
    assert some(9)([1, 2]) == [1, 2]
    before = {"a": 5, "methods": {"x": {"epochs": 9}, "y": {"rate": 1}}, "list": [1, 2, 3]}
    cuts = {"a": at_most(2), "methods.*.epochs": exactly(1), "absent.epochs": exactly(1), "list": some(2)}
    after = apply(before, cuts)
    assert after == {"a": 2, "methods": {"x": {"epochs": 1}, "y": {"rate": 1}}, "list": [1, 3]}
    assert before["methods"]["x"] == {"epochs": 9}
    assert differences(before, after) == {
        "a": "5 -> 2",
        "methods.x.epochs": "9 -> 1",
        "list": "3 values -> 2 values",
    }
    assert apply(before, {"methods": only("y")})["methods"] == {"y": {"rate": 1}}


@pytest.mark.parametrize("name", known_studies())
def test_every_declared_cut_cuts_some_cell(name):
    study = load_study(name)
    found = [cell.params for scale in SCALES for cell in load_cells(study, scale, ROOT)]
    for cuts in (study.cuts.always, study.cuts.narrow):
        for place, cut in cuts.items():
            assert any(apply(params, {place: cut}) != params for params in found), place


def test_every_cell_of_the_larger_scales_is_rehearsed_whole_and_narrow(planned):
    for scale, config in CONFIGS.items():
        wanted = {
            (name, cell.name)
            for name in known_studies()
            for cell in load_cells(load_study(name), scale, ROOT)
        }
        assert {(found.study, found.cell) for found in planned[scale]} == wanted
        for found in planned[scale]:
            assert (found.whole.trouble, found.narrow.trouble) == ("", "")
            verbs = {stage.verb for stage in load_study(found.study).stages}
            for version in (found.whole, found.narrow):
                assert {step.task.stage.verb for step in version.steps} == verbs
            (whole,) = {step.part for step in found.whole.steps}
            assert whole == ""
        assert config.datasets == Config().datasets


def test_networks_methods_and_attacks_are_those_of_the_sheet(planned):
    """Whole: all of them; narrow: all in some part, and some part has the cell's own network."""
    for scale in CONFIGS:
        for found in planned[scale]:
            (sheet,) = [
                c.params for c in load_cells(load_study(found.study), scale, ROOT) if c.name == found.cell
            ]
            for version in (found.whole, found.narrow):
                params = [step.task.params for step in version.steps]
                for name in ("methods", "models", "variants", "freezes"):
                    if isinstance(sheet.get(name), dict):
                        assert {key for p in params for key in p.get(name, ())} == set(sheet[name])
                for name in ("network", "attacks"):
                    if name in sheet:
                        assert sheet[name] in [p.get(name) for p in params]


def test_nothing_is_mixed_with_evidence(planned):
    for scale, config in CONFIGS.items():
        real = {key for plan in plan_all(config, ROOT).values() for key in plan.tasks}
        for found in planned[scale]:
            for version in (found.whole, found.narrow):
                assert real.isdisjoint(step.task.key for step in version.steps)
                for step in version.steps:
                    job = step.job(version.config, "cpu")
                    paths = [*job.out.values(), *(p for need in job.needs.values() for p in need.values())]
                    assert all(path.startswith(f"{HOME}/") for path in paths)
            assert found.record.startswith(f"{HOME}/{scale}/")


def test_cells_that_share_a_stage_share_no_file(planned):
    """They run at once, and each removes what it no longer needs."""
    stages, files = [], []
    for found in planned["gpu"]:
        jobs = {step.task.key: step.job(found.narrow.config, "cpu") for step in found.narrow.steps}
        stages += jobs
        files += [path for job in jobs.values() for path in job.out.values()]
    assert len(set(stages)) < len(stages)
    assert len(set(files)) == len(files)


def test_a_language_model_is_drawn_and_its_memory_known_before(planned):
    (mistral,) = [found for found in planned["gpu"] if found.study == "safety"]
    assert mistral.narrow.model == (
        "mistral-7b-instruct-v0.2",
        f"{HOME}/models/safety-mistral-public/mistral-7b-instruct-v0.2-narrow",
    )
    assert mistral.needs == pytest.approx(43e9, rel=0.01)  # 7.24 of weights, of which 1.74 train
    (train,) = [step for step in mistral.narrow.steps if step.task.stage.verb == "train"]
    assert train.task.params["model"] == mistral.narrow.model[1]
    (reuse, *_) = [found for found in planned["gpu"] if found.study == "reuse"]
    assert (reuse.needs, reuse.narrow.model) == (None, None)


def test_a_checkpoint_has_a_stand_in_and_no_set_of_texts_is_fetched(planned):
    for scale, count in (("gpu", 2), ("paper", 13)):
        found = [one for one in planned[scale] if one.study == "layernorm"]
        assert len(found) == count
        for one in found:
            sheet = next(
                c.params for c in load_cells(load_study("layernorm"), scale, ROOT) if c.name == one.cell
            )
            for version, size in ((one.whole, "whole"), (one.narrow, "narrow")):
                name = sheet["checkpoint"]
                assert version.model == (name, f"{HOME}/models/layernorm-{one.cell}/{name}-{size}")
                (train,) = [s.task.params for s in version.steps if s.task.stage.verb == "train"]
                assert train["checkpoint"] == name
                pictures = sheet["texts"] in IMAGES
                assert (train["texts"], train["dataset"]) == (
                    ("cifar10", "cifar10") if pictures else ("keywords", None)
                )


@pytest.mark.parametrize("name", EXTERNAL)
def test_drawn_images_have_the_published_form(name):
    known = EXTERNAL[name]
    images = sets.load(ROOT, name, "rehearsal:300", download=False)
    assert images.x.shape == (300, *known.shape)
    assert (images.classes, len(np.unique(images.y))) == (known.classes, known.classes)
    if name == "purchase100":
        assert set(np.unique(images.x)) == {0, 255}
    assert sets.fingerprint(ROOT, "rehearsal:300", name) == f"rehearsal:300:{name}"
    again = sets.load(ROOT, name, "rehearsal:300", download=False)
    assert np.array_equal(images.x, again.x)


def test_drawn_images_are_as_many_as_published():
    images = sets.load(ROOT, "fashion_full", "rehearsal:", download=False)
    assert len(images) == 70_000


def test_a_fork_tells_what_it_made_and_what_went_wrong(capfd):
    assert forked(lambda: {"a": 1}).value == {"a": 1}

    def refused():
        raise RetraceError("do this")

    assert forked(refused).line == "do this"
    ran = forked(lambda: sets.load(ROOT, "cifar10", None, False))
    assert ran.line.startswith("data/rehearsed.py:")
    assert "AttributeError: 'NoneType'" in ran.line
    assert not ran.memory
    assert "Traceback" in capfd.readouterr().err
    ran = forked(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert (ran.line.split(",")[0], ran.memory) == ("killed", True)
    assert "SIGTERM" in forked(lambda: os.kill(os.getpid(), signal.SIGTERM)).line


def test_memory_that_is_refused_is_told_from_a_fault():
    big = 50_000_000
    assert forked(lambda: len(np.ones(big)), memory.host()).value == big
    ran = forked(lambda: len(np.ones(big)), 1e8)
    assert ran.memory
    assert "Unable to allocate" in ran.line
    assert forked(lambda: None).host > 1e6


def test_too_little_memory_is_one_clear_line_and_loses_nothing(planned, tmp_path, monkeypatch):
    """A cell that a fork has no memory for is no failure of its code; its record is not taken for a pass."""
    (found,) = [one for one in planned["gpu"] if one.cell == "cut"]
    monkeypatch.setattr(cells, "_run_step", lambda *_: forked(lambda: len(np.ones(50_000_000)), 1e8))
    record = cells.rehearse(found, CONFIGS["gpu"], tmp_path)
    assert (record.outcome, record.good) == ("too big here", False)
    assert record.line.startswith("prepare: ")
    assert "Unable to allocate" in record.line
    assert len(record.stages) == 1  # what needs it is not tried
    write_record(record, found, tmp_path)
    assert not (tmp_path / found.record).exists()
    (row, *_) = read_records([found], tmp_path)
    assert row["outcome"] == "too big here"


def test_a_cell_is_failed_with_its_line_or_passed_and_stands_in_the_table(planned, tmp_path, monkeypatch):
    (found,) = [one for one in planned["gpu"] if one.cell == "cut"]

    def fault():
        raise ValueError("no such thing")

    for work, outcome in ((fault, "failed"), (lambda: None, "passed")):
        monkeypatch.setattr(cells, "_run_step", lambda *_, work=work: forked(work))
        record = cells.rehearse(found, CONFIGS["gpu"], tmp_path)
        assert (record.outcome, record.size) == (outcome, "narrow")
        write_record(record, found, tmp_path)
        others = [one for one in planned["gpu"] if one.study == "reuse"]
        rows = read_records([found, *others[:1]], tmp_path)
        assert [row["outcome"] for row in rows] == [outcome, "not run"]
        said = table(rows)
        assert f"1 not run, 1 {outcome}" in said or f"1 {outcome}, 1 not run" in said
        assert ("ValueError: no such thing" in said) == (outcome == "failed")
        lines = write_table(rows, "gpu", tmp_path).read_text().splitlines()
        assert lines[0].startswith("scale,study,cell,outcome")
        assert lines[1].startswith(f"gpu,memory,cut,{outcome},narrow,cpu")
    assert not (tmp_path / found.failed).exists()
    assert json.loads((tmp_path / found.record).read_text())["stages"][0]["verb"] == "prepare"


def test_a_scale_for_cpus_is_rehearsed_whole_with_its_own_models(monkeypatch, tmp_path):
    laptop = plan_rehearsal(Config(scale="laptop", device="cpu"), ROOT)
    larger = plan_rehearsal(Config(scale="gpu", device="cpu", studies=["safety", "forgetting"]), ROOT)
    assert {(found.whole.model, found.whole.trouble) for found in laptop} == {(None, "")}
    assert None not in {found.narrow.model for found in larger}
    monkeypatch.setattr(cells, "_run", lambda version, device, root: [])
    sizes = {cells.rehearse(found, Config(device="cpu"), tmp_path).size for found in laptop}
    assert sizes == {"whole"}
    assert {cells.rehearse(found, Config(device="cpu"), tmp_path).size for found in larger} == {"narrow"}


def test_a_cell_whose_cuts_do_not_fit_fails_alone(monkeypatch, tmp_path):
    study = load_study("memory")
    wrong = replace(study, cuts=replace(study.cuts, always={"window": exactly(0)}))
    monkeypatch.setattr("retrace.rehearsal.plan.chosen_studies", lambda *_: [wrong])
    found = plan_rehearsal(CONFIGS["gpu"], ROOT)[0]
    record = cells.rehearse(found, CONFIGS["gpu"], tmp_path)
    assert record.outcome == "failed"
    assert record.line.startswith("src/retrace/studies/memory/rehearse.py: cell copy")
    assert "window" in record.line


def test_code_that_changed_since_planning_is_refused(planned, capsys):
    (found,) = [one for one in planned["gpu"] if one.cell == "cut"]
    spec = json.loads(write_spec(found, CONFIGS["gpu"])) | {"key": "0" * 12}
    assert main(json.dumps(spec), ROOT) == 1
    assert (
        capsys.readouterr().err
        == "retrace: memory cut changed since this run was planned; start the run again\n"
    )


def test_a_place_is_one_of_the_library_whatever_an_environment_s_folder_is_called():
    assert places.own(places.__file__) == "rehearsal/places.py"
    assert places.own("/x/retrace/venv-1/lib/python3.11/site-packages/torch/overrides.py") == ""
