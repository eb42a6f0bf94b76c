"""Parameters of stages: each sees its own and no others, typed, whatever way they came."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from retrace import sheet
from retrace.config import SCALES, validate
from retrace.errors import RetraceError
from retrace.metrics.unit_groups import Shares
from retrace.params import Name, StageParams, known
from retrace.recipe import SOURCE, canonical

ROOT = Path(__file__).resolve().parents[2]


class Train(StageParams):
    rates: list[float] = Field(min_length=1)
    shares: Shares = Shares(0.1, 0.1, 0.1)


class Attack(StageParams):
    kind: Annotated[str, known("kind", ("lira", "rmia"))] = "lira"
    name: Name = "one"


class Params(Train, Attack):
    pass


def test_a_stage_sees_what_it_declares_as_declared_and_nothing_else():
    params = Train.model_validate({"rates": [1, 2], "shares": {"esu": 0.2, "euu": 0, "ru": 0}})
    assert params.rates == [1.0, 2.0]
    assert params.shares == Shares(0.2, 0.0, 0.0)
    with pytest.raises(AttributeError, match="Train has no parameter 'kind': declare it there"):
        params.kind  # noqa: B018
    with pytest.raises(ValidationError, match="frozen"):
        params.rates = [3.0]
    with pytest.raises(ValidationError, match=r"kind\n.*not permitted"):
        Train.model_validate({"rates": [1], "kind": "lira"})


@pytest.mark.parametrize("name", sheet.known_studies())
def test_what_a_stage_is_given_has_the_json_that_is_in_its_key(name):
    study = sheet.load_study(name)
    for scale in SCALES:
        for cell in sheet.load_cells(study, scale, ROOT):
            for stage in study.stages:
                planned = {name: cell.params[name] for name in stage.uses}
                given = stage.params.model_validate(planned)
                assert type(given) is stage.params
                assert canonical(given.model_dump(mode="json")) == canonical(planned), (cell.name, stage.verb)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"kind": "lirra"}, "cell: kind: unknown kind 'lirra' (did you mean 'lira'?), got 'lirra'"),
        ({"name": "One"}, "cell: name: String should match pattern"),
        ({"shares": {"esu": 0.1, "euu": 0.1, "rru": 0.1}}, "unknown key 'shares.rru' (did you mean 'ru'?)"),
        (
            {"shares": {"esu": 0.9, "euu": 0.9, "ru": 0}},
            "shares: shares esu 0.9 + euu 0.9 + ru 0 add to more",
        ),
    ],
)
def test_a_wrong_parameter_is_one_line(values, line):
    with pytest.raises(RetraceError) as caught:
        validate(Params, {"rates": [1.0], **values}, "cell")
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_stage_whose_parameters_no_cell_has_is_refused():
    study = sheet.load_study("reuse")
    foreign = replace(study, stages=(replace(study.stages[0], params=Attack),))
    with pytest.raises(
        RetraceError, match=r"reuse/params\.py: Params lacks Attack, the parameters of prepare"
    ):
        sheet.load_cells(foreign, "smoke", ROOT)


def test_the_type_check_finds_a_stage_that_reads_what_its_key_does_not_hold(tmp_path):
    """Seconds: only what is not in mypy's cache of this clone is read again."""
    path = tmp_path / "stage.py"
    path.write_text(
        "from retrace.params import StageParams\n\n\n"
        "class Train(StageParams):\n    epochs: int\n\n\n"
        "class Attack(StageParams):\n    noise: float\n\n\n"
        "def run(params: Attack) -> tuple[float, int]:\n    return params.noise, params.epochs\n"
    )
    words = (sys.executable, "-m", "mypy", str(path))
    env = {**os.environ, "MYPYPATH": str(SOURCE)}
    found = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True).stdout
    assert '"Attack" has no attribute "epochs"' in found
    assert "Found 1 error in 1 file" in found
