"""The reuse study's stages and table, run in memory on digits."""

import cell
import pytest

from retrace.stage import StageError
from retrace.studies.reuse.defend import target_accuracy
from retrace.studies.reuse.params import Defend
from retrace.studies.reuse.table import table

METER = {"method": "constant", "cpu_seconds": 1e6, "kwh": 1.0, "factor_kg_per_kwh": 0.475}
CELL = {
    "dataset": "digits",
    "per_class": 60,
    "reserve": 30,
    "test": 20,
    "network": "cnn",
    "epochs": 12,
    "retrain_rate": 0.001,
    "below_clean": 0.05,
    "eval_every": 1,
    "max_epochs": 4,
    "conditions": ["gauss:0.01", "gauss:0.3"],
}


@pytest.fixture(scope="module")
def row():
    return cell.row("reuse", "digits-cnn", CELL, data=cell.digits(), meter=METER)


def test_the_target_follows_the_clean_accuracy_of_the_network(row):
    clean = row.evidence["train"].results["accuracy"]
    found = row.evidence["defend"].results
    assert found["target"] == pytest.approx(clean - 0.05)
    for condition in found["conditions"]:
        if not condition["censored"]:
            assert condition["accuracy_after"] >= clean - 0.05 - 1e-9


def test_an_absolute_target_stays_what_it_is(row):
    absolute = {**CELL, "target": 0.3, "below_clean": None}
    found = cell.run("reuse", "defend", absolute, dict(row.evidence), meter=METER)
    assert found.results["target"] == 0.3


def test_a_network_without_room_below_it_is_refused():
    fields = {name: value for name, value in CELL.items() if name in Defend.model_fields}
    params = Defend.model_validate({**fields, "below_clean": 0.2})
    with pytest.raises(
        StageError, match=r"below_clean 0\.2: the source network's clean accuracy is only 0\.150"
    ):
        target_accuracy(params, 0.15)


def test_retrainings_that_end_at_their_first_check_are_marked(row):
    easy, hard = row.evidence["defend"].results["conditions"]
    assert (easy["at_first_check"], easy["censored"]) == (True, False)
    assert not hard["at_first_check"]
    assert len(hard["curves"][0]) > 1
    capped = {**CELL, "target": 1.0, "below_clean": None, "max_epochs": 0.01}
    found = cell.run("reuse", "defend", capped, dict(row.evidence), meter=METER).results["conditions"]
    assert all(condition["censored"] and not condition["at_first_check"] for condition in found)


def test_the_table_has_the_clean_error_and_both_marks(row):
    frame = table([row]).frame
    assert frame["clean_error"].tolist() == [1 - row.evidence["train"].results["accuracy"]] * 2
    assert frame["at_first_check"].tolist() == [True, False]
