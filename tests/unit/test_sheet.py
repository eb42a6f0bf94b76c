"""Sheets: every mistake is one line that names file, place and the word that was probably meant."""

from __future__ import annotations

import hashlib
import math
import shutil
from pathlib import Path

import pytest
import yaml

from retrace import params, sheet
from retrace.config import Config
from retrace.data import catalogue
from retrace.errors import RetraceError
from retrace.planning.plan import plan_study
from retrace.yamls import read_yaml

ROOT = Path(__file__).resolve().parents[2]
PLACE = "config/studies/reuse.yaml"
STUDY = sheet.load_study("reuse")
CELL = {
    "dataset": "digits",
    "reserve": 60,
    "test": 40,
    "epochs": 4,
    "target": 0.85,
    "eval_every": 3,
    "max_epochs": 4,
    "retrain_rate": 0.001,
    "conditions": ["gauss:0.1", "sp:0.1"],
    "network": "cnn",
}


@pytest.fixture
def load(tmp_path):
    """Loads a sheet given as data or text, at the smoke scale."""

    def of(content, scale="smoke"):
        path = tmp_path / PLACE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
        return sheet.load_cells(STUDY, scale, tmp_path)

    return of


def reuse(seeds=(0, 1), base=None, scale="smoke", **cells):
    cells = cells or {"one": {}}
    rows = {"seeds": list(seeds), "cells": cells}
    return {"study": "reuse", "base": {**CELL, **(base or {})}, "scales": {scale: rows}}


def refusal(call, *args):
    with pytest.raises(RetraceError) as caught:
        call(*args)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 300
    return line


def test_parameters_are_laid_over_one_another(load):
    content = reuse(plain={}, other={"epochs": 9, "network": "vit-s"})
    content["scales"]["smoke"]["base"] = {"epochs": 7}
    plain, other = load(content)
    assert (plain.name, plain.seeds) == ("plain", (0, 1))
    assert (plain.params["epochs"], other.params["epochs"]) == (7, 9)
    assert (plain.params["network"], other.params["network"]) == ("cnn", "vit-s")
    assert plain.params["optimizer"] == "adam"  # the model's default


@pytest.mark.parametrize("scale", ["smoke", "laptop", "gpu", "paper"])
@pytest.mark.parametrize("name", sheet.known_studies())
def test_every_sheet_of_the_repository_is_valid(name, scale):
    cells = sheet.load_cells(sheet.load_study(name), scale, ROOT)
    assert cells
    assert all(cell.seeds for cell in cells)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (
            {"optimiser": "adam"},
            "scales.smoke.cells.one: unknown key 'optimiser' (did you mean 'optimizer'?)",
        ),
        (
            {"network": "cnnn"},
            "scales.smoke.cells.one: network: unknown network 'cnnn' (did you mean 'cnn'?)",
        ),
        ({"dataset": "digit"}, "dataset: unknown data set 'digit' (did you mean 'digits'?)"),
        ({"optimizer": "adm"}, "optimizer: 'adm' is not allowed (did you mean 'adam'?)"),
        ({"epochs": 0}, "scales.smoke.cells.one: epochs: Input should be greater than or equal to 1, got 0"),
        ({"epochs": "many"}, "scales.smoke.cells.one: epochs: Input should be a valid integer"),
        ({"conditions": ["gaus:0.1"]}, "(did you mean 'gauss'?)"),
        ({"conditions": ["sp:0.1", "sp:0.1"]}, "conditions: one is listed twice"),
        ({"below_clean": 0.05}, "give target or below_clean, and null for the other"),
        ({"target": None}, "give target or below_clean, and null for the other"),
        ({"target": 1.5}, "target: Input should be less than or equal to 1"),
        ({"max_epochs": "Infinity"}, "max_epochs: inf is not a finite number; leave the key out"),
        ({"epochs": True}, "epochs: true is not a number"),
    ],
)
def test_a_wrong_value_of_a_cell_is_one_line(load, base, expected):
    line = refusal(load, reuse(base=base))
    assert line.startswith(f"{PLACE}: scales.smoke.cells.one: ")
    assert expected in line


def changed(**changes):
    return {**reuse(), **changes}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (changed(scale={}), f"{PLACE}: unknown key 'scale' (did you mean 'scales'?)"),
        (changed(study="reus"), f"{PLACE}: says study 'reus'; expected 'reuse'"),
        (changed(scales={"smok": {}}), "'smok' is not allowed (did you mean 'smoke'?)"),
        (reuse(scale="laptop"), f"{PLACE}: no scale 'smoke' (known: laptop)"),
        (reuse(seeds=(0, 1, 0)), f"{PLACE}: scales.smoke.seeds: a seed is listed twice: [0, 1, 0]"),
        (reuse(seeds=()), f"{PLACE}: scales.smoke.seeds: List should have at least 1 item"),
        (reuse(seeds=(0, -1)), f"{PLACE}: scales.smoke.seeds.1: Input should be greater than or equal to 0"),
        (reuse(seeds=(0, 0.5)), f"{PLACE}: scales.smoke.seeds.1: Input should be a valid integer"),
        (reuse(base={"max_epochs": math.inf}), f"{PLACE}: base.max_epochs: inf is not a finite number"),
        (reuse(one={"margins": [[0.1, math.nan]]}), "cells.one.margins.0.1: nan is not a finite number"),
        (reuse(seeds=(True, False)), f"{PLACE}: scales.smoke.seeds.0: true is not a number; give one"),
        (reuse(**{"1": {}}) | {"base": {1: 2}}, "base.1: the key 1 is not a name; put it in quotes"),
        (reuse(one={"epochs": 1, "01": None}), "unknown key '01'; write decimals with a point, such as 0.01"),
        (reuse(My_Cell={}), "String should match pattern '^[a-z0-9]"),
        ([1, 2], f"{PLACE}: Input should be a valid dictionary"),
        ("", f"{PLACE}: Input should be a valid dictionary"),
        (changed(scales={"smoke": {"sedes": []}}), "key 'scales.smoke.sedes' (did you mean 'seeds'?)"),
    ],
)  # fmt: skip
def test_a_wrong_sheet_is_one_line(load, content, expected):
    assert expected in refusal(load, content)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("study: reuse\nbase: {a: 1\nscales: x\n", " line 3: "),
        ("study: reuse\n\tbase: 1\n", " line 2: "),
        ("study: reuse\nbase: *nowhere\n", " line 2: "),
        ("a: 1\nb: 2\na: 3\n", " line 3: key 'a' given twice; keep one"),
        ("a: 1\nb: {c: 1, c: 2}\n", " line 2: key 'c' given twice; keep one"),
        ("? [a]\n: 1\n", " line 1: "),
        ("a: !!python/object:os.system x\n", " line 1: "),
        ("a: \x01\n", ": "),
    ],
)
def test_a_mistake_of_yaml_names_file_and_line(load, text, expected):
    assert f"{PLACE}{expected}" in refusal(load, text)


def test_bytes_that_are_no_text_are_one_line(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"a: \xff\xfe\n")
    assert refusal(read_yaml, tmp_path / "a.yaml", "a.yaml").startswith("a.yaml")


def test_a_missing_sheet_names_the_nearest(tmp_path):
    (tmp_path / "reuse.yaml").write_text("")
    assert "x/resue.yaml: no such file (did you mean 'reuse'?)" in refusal(
        read_yaml, tmp_path / "resue.yaml", "x/resue.yaml"
    )


def test_an_unknown_study_names_the_nearest():
    assert refusal(sheet.load_study, "reuze") == "unknown study 'reuze' (did you mean 'reuse'?)"


@pytest.mark.parametrize("name", sheet.known_studies())
def test_stages_declare_parameters_that_exist_and_needs_that_come_before(name):
    study, known = sheet.load_study(name), sheet.params_model(name).model_fields
    before: list[str] = []
    for stage in study.stages:
        assert set(stage.uses) <= set(known)
        assert set(stage.reads) <= set(stage.uses)
        assert set(stage.by) <= set(known)
        assert set(stage.needs) <= set(before)
        before.append(stage.verb)
    assert len(set(before)) == len(before)


@pytest.mark.parametrize("name", sheet.known_studies())
def test_every_name_of_a_folder_fits_the_workflow(name):
    for scale in ("smoke", "laptop"):
        plan_study(sheet.load_study(name), Config(scale=scale), ROOT)  # raises for a name that does not


@pytest.fixture
def twin(tmp_path, monkeypatch):
    """A checkout with the digits under two names, one of them the user's; plans a sheet there."""
    rows = (ROOT / catalogue.CATALOGUE).read_text().splitlines()
    (digits,) = [row for row in rows if row.startswith("digits,")]
    for name in ("raw/digits", "own/twin"):
        (tmp_path / "data" / name).parent.mkdir(parents=True)
        shutil.copy2(ROOT / "data/raw/digits.npz", tmp_path / f"data/{name}.npz")
    own = digits.replace("digits", "twin", 1).replace("data/raw/digits", "data/own/twin", 1)
    (tmp_path / catalogue.CATALOGUE).write_text("\n".join([rows[0], digits, own]) + "\n")
    monkeypatch.setattr(params, "SOURCE", tmp_path / "src")

    def plan(content):
        path = tmp_path / PLACE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
        return plan_study(STUDY, Config(scale="smoke"), tmp_path)

    return plan


@pytest.mark.parametrize("own", [{}, {"dataset": "twin"}, {"epochs": 4, "network": "cnn"}])
def test_a_cell_under_another_name_is_no_more_evidence(twin, own):
    line = refusal(twin, reuse(first={}, second=own))
    assert line.startswith(f"{PLACE}: scales.smoke.cells.second: the same as first")


def test_cells_that_differ_are_planned_and_a_set_of_ones_own_is_known_by_its_name(twin):
    plan = twin(reuse(first={}, second={"epochs": 5}, third={"dataset": "twin", "epochs": 6}))
    assert [row.cell for row in plan.rows] == ["first", "first", "second", "second", "third", "third"]
    assert "did you mean 'twin'?" in refusal(twin, reuse(base={"dataset": "twim"}))
    digest = hashlib.sha256((ROOT / "data/raw/digits.npz").read_bytes()).hexdigest()
    assert any(digest in fact for row in plan.rows for fact in row.tasks["prepare"].recipe["data"].values())


@pytest.mark.parametrize("name", sheet.known_studies())
def test_cells_of_all_scales_are_called_as_their_tables_call_them(name):
    study = sheet.load_study(name)
    cells = [cell for scale in sheet.scales_of(study, ROOT) for cell in sheet.load_cells(study, scale, ROOT)]
    assert sheet.called_cells(study, ROOT) == {study.setting(cell.name, cell.params) for cell in cells}
