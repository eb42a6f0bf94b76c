"""The layernorm study on tiny transformers: rows, runs, equal accuracy, bounds, what a sheet may not say."""

from __future__ import annotations

import cell
import numpy as np
import pytest
from pydantic import ValidationError

from retrace.data.texts.labelled_sets import Labelled, of_catalogue
from retrace.sheet import load_study
from retrace.stage import EvidenceRow, StageError
from retrace.studies.layernorm import measure, prepare, table

RUNS = {
    "kept": {"kind": "none"},
    "all": {"kind": "norms"},
    "random": {"kind": "random", "reset": False},
    "all_token": {"kind": "norms", "form": "token"},
}


def chosen(order="post", **changes):
    sheet = cell.sheet("layernorm")
    smoke = sheet["scales"]["smoke"]
    made = sheet["base"] | smoke["base"] | {"checkpoint": f"tiny-{order}", "runs": RUNS}
    return made | {"tuning": {"epochs": 2, "batch": 12, "rate": 1e-3}} | changes


def evidence(order, seed=0, **changes):
    params, found = chosen(order, **changes), {}
    for verb in ("prepare", "train", "measure"):
        found[verb] = cell.run("layernorm", verb, params, found, seed)
    return EvidenceRow(f"{order}-tiny", seed, cell.params_of("layernorm", params), found)


@pytest.fixture(scope="module")
def rows():
    return [evidence(order, seed) for order in ("post", "pre") for seed in (0, 1)]


def test_every_epoch_has_shares_that_add_up_to_one(rows):
    frame = table.table(rows).frame
    epochs = frame[frame["type"] == "epoch"]
    assert len(epochs) == 4 * len(RUNS) * 3
    assert np.allclose(epochs[["memorisation", "recovery", "random"]].sum(axis=1), 1)
    assert epochs["learning"].between(0, 1).all()


def test_runs_begin_from_one_checkpoint_and_one_head(rows):
    arrays = rows[0].evidence["train"].read_arrays()
    for quantity in ("learning", "clean", "noisy_loss"):
        assert arrays[f"kept/{quantity}"][0] == arrays[f"random/{quantity}"][0]
    assert arrays["kept/noisy_loss"][0] != arrays["all/noisy_loss"][0]


def test_the_same_seed_gives_the_same_bytes(rows):
    again = evidence("post").evidence["train"].read_arrays()
    for name, values in rows[0].evidence["train"].read_arrays().items():
        assert np.array_equal(values, again[name])


def test_as_many_entries_are_held_in_the_control(rows):
    for row in rows:
        runs = row.evidence["train"].results["runs"]
        assert runs["all"]["entries"] == runs["random"]["entries"] > 0
        assert runs["kept"]["entries"] == 0


def test_theorem_2_holds_and_its_bound_rises_towards_the_input(rows):
    for row in rows:
        arrays = row.evidence["measure"].read_arrays()
        assert arrays["bound"].shape == arrays["measured"].shape == (6, 2)
        assert (arrays["measured"] <= 1.2 * arrays["bound"]).all()  # four iterations come from below
    pre = rows[2].evidence["measure"].read_arrays()["bound"]
    assert (np.diff(pre, axis=0) < 0).all()


def test_an_architecture_of_unknown_branches_has_no_bound(rows, monkeypatch):
    monkeypatch.setattr(measure, "layers", lambda *_: None)
    row = evidence("post")
    found = row.evidence["measure"]
    assert not found.results["known"]
    assert {name: values.shape for name, values in found.read_arrays().items()} == {
        "bound": (0, 2),
        "measured": (0, 2),
    }
    frame = table.table([row, rows[0]]).frame
    norms = frame[frame["type"] == "norm"]
    assert norms["known"].tolist() == [False] * 6 + [True] * 6
    assert norms["log_bound"].notna().tolist() == norms["known"].tolist()
    assert norms["log_ratio_end"].notna().all()


def test_a_value_is_read_where_the_track_first_reaches_the_height():
    track, values = np.array([0.2, 0.6, 1.0, 0.9]), np.array([0.0, 1.0, 3.0, 9.0])
    assert table.at(track, 0.8, values) == pytest.approx(2.0)
    assert table.at(track, 0.1, values) == 0.0
    assert table.at(track, 1.0, values) == 3.0
    assert np.isnan(table.at(track, 1.1, values))


def test_equal_accuracy_is_a_height_that_both_networks_reach():
    slow = {q: np.array([0.0, 0.5]) for q in table.QUANTITIES}
    fast = {q: np.array([0.0, 1.0]) for q in table.QUANTITIES}
    params = cell.params_of("layernorm", chosen())
    found = table._cell({"kept": fast, "all": slow}, params)
    assert found["matched_at_all"] == 0.5
    assert found["matched_memorisation_all"] == 0.5
    assert found["matched_memorisation_kept_all"] == pytest.approx(0.5)


def test_rows_are_as_even_as_classes_allow():
    y = np.array([0] * 50 + [1] * 4 + [2] * 50)
    found = Labelled([""] * len(y), y, ("a", "b", "c"), np.arange(len(y)), np.arange(0))
    drawn = prepare.draw(found, found.train, 34, 0, "train")
    assert np.bincount(y[drawn]).tolist() == [15, 4, 15]
    assert len(set(drawn.tolist())) == 34


@pytest.mark.parametrize("members", [0, 1])
def test_a_class_of_no_or_one_row_is_refused(members):
    y = np.array([0] * 9 + [1] * members)
    found = Labelled([""] * len(y), y, ("a", "b"), np.arange(len(y)), np.arange(0))
    with pytest.raises(StageError, match=f"train: class b has {members} rows"):
        prepare.draw(found, found.train, 4, 0, "train")


def test_documents_of_brown_train_or_test():
    y = np.repeat([100 * genre + document for genre in range(6) for document in range(17)], 2)
    x = np.full((len(y), 1, 3, 1), ord("a"), dtype=np.uint8)
    found = of_catalogue("brown", {"x": x, "y": y})
    assert not set(y[found.train]) & set(y[found.test])
    assert set(found.y[found.test]) == set(range(6))


def test_more_rows_than_there_are_are_refused():
    with pytest.raises(StageError, match=r"lower rows\.train"):
        cell.run("layernorm", "prepare", chosen(rows={"train": 9_999, "test": 6}), {})


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"layers": 4}, "layers 4: not divisible by 3"),
        ({"runs": {"all": {"kind": "norms"}, "early": {"kind": "norms"}}}, "runs.kept"),
        (
            {"runs": RUNS | {"same": {"kind": "norms", "reset": False, "freeze": False}}},
            "neither reset nor frozen",
        ),
        ({"noise": 1.5}, "less than 1"),
        ({"texts": "brown"}, "dataset: brown needs its name"),
        ({"texts": "keyword"}, "did you mean 'keywords'"),
        ({"checkpoint": "minilmm"}, "did you mean 'minilm'"),
        ({"checkpoint": "deit"}, "reads texts or images"),
        ({"watched": 99}, "watched 99: more than rows.test"),
    ],
)
def test_what_a_sheet_may_not_say(changes, line):
    with pytest.raises(ValidationError, match=line):
        cell.params_of("layernorm", chosen(**changes))


def test_training_that_diverges_is_one_line():
    params = chosen(
        tuning={"epochs": 2, "batch": 12, "rate": 1e30}, runs={"kept": {}, "all": {"kind": "norms"}}
    )
    prepared = {"prepare": cell.run("layernorm", "prepare", params, {})}
    with pytest.raises(StageError, match="training diverged"):
        cell.run("layernorm", "train", params, prepared)


def test_the_study_declares_its_figures_and_no_other_paper():
    study = load_study("layernorm")
    assert list(study.papers) == ["layernorm"]
    assert {figure.name for figure in study.figures} == {"outcomes", "curves", "matched", "gradients"}
