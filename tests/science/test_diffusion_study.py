"""The diffusion study on a few digits: every stage, the table, all figures, and bad input."""

from dataclasses import replace

import cell as cells
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from retrace.attacks.diffusion.loss import calibrated_scores, loss_scores
from retrace.attacks.roc import auc
from retrace.claims.judge import judge
from retrace.claims.load import load_claims
from retrace.nets.diffusion.model import Shape, build
from retrace.nets.diffusion.schedule import Schedule
from retrace.stage import Evidence, EvidenceRow, StageError
from retrace.studies.diffusion import prepare
from retrace.studies.diffusion.figures.draw import draw
from retrace.studies.diffusion.params import Params
from retrace.studies.diffusion.setup import predictor
from retrace.studies.diffusion.table import DEFENCES, table
from retrace.studies.diffusion.tuning import Sets, tune
from retrace.studies.diffusion.work import size, work

SHEET = cells.sheet("diffusion")
CELL = {
    **SHEET["base"],
    **SHEET["scales"]["smoke"]["cells"]["digits"],
    "other": "digits",
    "steps": 4,
    "tune_steps": 2,
    "private_steps": 1,
    "drawing_steps": 2,
}


@pytest.fixture(scope="module")
def row():
    inputs = {"dataset": cells.digits(), "other": cells.digits()}
    for stage in ("prepare", "train", "defend", "attack", "measure"):
        inputs[stage] = cells.run("diffusion", stage, CELL, inputs)
    return EvidenceRow("digits", 0, cells.params_of("diffusion", CELL), inputs)


def test_the_table_has_every_claims_columns_and_rows(row):
    frame = table([row]).frame
    assert not frame.duplicated(["seed", "cell", "condition"]).any()
    assert set(frame["type"]) == {"tuning", "untrained", "defence"}
    judged = frame[frame["type"] == "tuning"]
    assert set(judged["method"]) == set(SHEET["base"]["tunings"])
    assert (judged["domain"].value_counts() == len(SHEET["base"]["tunings"])).all()
    plain = judged[judged["method"] == "none"]
    assert (plain["gain_auc"] == 0).all()
    known = set(frame["method"])
    for claim in load_claims(cells.ROOT / "claims/s2l.yaml").claims:
        assert not claim.evidence.columns() - set(frame.columns), claim.id
        asked = claim.evidence.where["method"]
        assert {asked} if isinstance(asked, str) else set(asked) <= known, claim.id


def test_every_control_and_rival_is_in_the_table(row):
    tabled = table([row, replace(row, seed=1)])
    for verdict in judge(load_claims(cells.ROOT / "claims/s2l.yaml").claims, tabled.frame, tabled.rows):
        beside = [verdict.control, *verdict.baselines]
        assert all(one.measured is not None for one in beside), verdict.id


def test_no_claim_is_held_against_membership_dealt_out_at_random_alone():
    for claim in load_claims(cells.ROOT / "claims/s2l.yaml").claims:
        assert "shuffled" not in str(claim.control.of), claim.id


def test_defended_models_are_held_against_a_reference_of_as_many_steps(row):
    """That reference is what their scores are made with; the one of all steps is another model."""
    weights = row.evidence["train"].read_scratch()
    names = [name for name in weights if name.startswith("reference/")]
    assert names
    halves = [weights[name.replace("reference/", "reference_half/")] for name in names]
    assert any(not np.array_equal(weights[n], half) for n, half in zip(names, halves, strict=True))
    guarded, scores = (row.evidence[verb].read_scratch() for verb in ("defend", "attack"))
    member = np.arange(80) < 20
    found = {one["method"]: one for one in row.evidence["measure"].results["rows"] if one["domain"] == "0"}
    for name in DEFENCES:
        own = guarded[f"{name}/0/errors"]
        assert found[name]["auc_calibrated"] == auc(
            calibrated_scores(own, guarded["reference/0/errors"]), member
        )
        assert found[name]["auc_loss"] == auc(loss_scores(own), member)
    assert not np.array_equal(guarded["reference/0/errors"], scores["reference/0/errors"])


def test_the_untrained_model_is_the_measure_of_what_is_learnt(row):
    frame = table([row]).frame
    judged = frame[frame["type"] != "untrained"]
    assert (judged.loc[judged["method"] == "blank", "error"] == 1).all()
    assert judged["error"].notna().all()
    assert set(judged.loc[judged["type"] == "defence", "method"]) == set(DEFENCES)
    (gate,) = [
        gate
        for claim in load_claims(cells.ROOT / "claims/s2l.yaml").claims
        if claim.id == "dp-leaks-nothing"
        for gate in claim.gate
        if gate.of == "error"
    ]
    assert gate.expect.at_most < 1


def test_figures(row):
    figures = draw("s2l", table([row, replace(row, seed=1)]), None)
    assert set(figures) == {"gains", "drawn", "scores", "roc", "ablations", "split"}


def test_membership_dealt_out_at_random_has_an_area_of_a_half(row):
    rows = row.evidence["measure"].results["rows"]
    for name in ("auc_shuffled", "auc_secmi_shuffled"):
        found = [one[name] for one in rows if name in one]
        assert abs(np.mean(found) - 0.5) < 0.03


def test_parts_are_disjoint_and_the_classifier_sees_nothing_trained(row):
    parts = row.evidence["prepare"].read_scratch()
    flat = {name: {x.tobytes() for x in parts[name].reshape(-1, 8, 8)} for name in ("members", "reference")}
    held = {x.tobytes() for x in parts["held.x"].reshape(-1, 8, 8)}
    assert not flat["members"] & flat["reference"]
    assert not held & (flat["members"] | flat["reference"])
    assert parts["members"].shape == (4, 20, 8, 8, 1)
    images = cells.digits().read_arrays()
    rows = {x.tobytes(): y for x, y in zip(images["x"], images["y"], strict=True)}
    for k, label in enumerate(row.evidence["prepare"].results["domains"]):
        for name in ("members", "reference", "others"):
            assert {rows[x.tobytes()] for x in parts[name][k]} == {label}
        moved = parts["shifted"][k][0, :, :, 0]
        ways = [np.roll(parts["others"][k][0, :, :, 0], by, axis) for by in (1, -1) for axis in (0, 1)]
        assert any(np.array_equal(moved, way) for way in ways)


def test_noise_moves_all_weights_by_its_standard_deviation():
    params = cells.params_of("diffusion", CELL)
    model = build(Shape(1, 8, (8, 16), 8, 10), 0).requires_grad_(False)
    sets = Sets(torch.zeros(2, 3, 1, 8, 8), torch.tensor([1, 2]), None)
    shaken = tune(params, params.tunings["noise_0_0032"], model, Schedule(), sets, 0)
    moved = torch.cat(
        [(a - b).flatten() for a, b in zip(shaken[0].model.parameters(), model.parameters(), strict=True)]
    )
    assert abs(float(moved.std()) - 3.2e-3) < 1e-4
    assert abs(float(moved.mean())) < 1e-4


def test_in_passes_as_in_one():
    model = build(Shape(1, 8, (8, 16), 8, 10), 0).requires_grad_(False)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1)
    context = torch.randn(1, 3, 8)
    x = torch.randn(700, 1, 8, 8)
    many = predictor(model, Schedule(), context)(x, 50)
    assert torch.allclose(many, model.noise(Schedule(), x, 50, context), atol=1e-5)


def test_resized_by_whole_pixels():
    big = np.arange(28 * 28, dtype=np.uint8).reshape(1, 28, 28, 1)
    small = prepare.resized(big, 16)
    assert small.shape == (1, 16, 16, 1)
    assert (small[0, 0] == 0).all()
    assert small[0, 1, 1, 0] == round(float(big[0, :2, :2].mean()))
    twice = prepare.resized(big[:, :8, :8], 16)
    assert np.array_equal(twice[0, ::2, ::2], big[0, :8, :8])
    with pytest.raises(StageError, match="27 pixels do not shrink to 16"):
        prepare.resized(big[:, :27, :27], 16)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"members": 19}, "members"),
        ({"delta": 1 / 60}, "delta 0.0166667: more than a tenth of 1 / 60, the members"),
        ({"stops": [30]}, "no multiple of the stride 50"),
        ({"times": [990]}, "step 990 lies too near the end of 1000"),
        ({"drawing_steps": 1001}, "drawing_steps 1001: the schedule has 1000"),
        ({"side": 9}, "side 9: does not halve"),
        ({"widths": [8, 12]}, "12 is no multiple of 8"),
        ({"deep": ["none", "other"]}, "other is no tuning"),
        ({"tunings": {"a": {"kind": "full"}, "b": {"kind": "full"}}}, "tunings.none: must be there"),
        ({"tunings": {"none": {"kind": "none"}, "b": {"kind": "noise"}}}, "sigma 0: goes with kind noise"),
    ],
)
def test_sheets_that_do_not_fit(change, words):
    with pytest.raises(ValidationError, match=words):
        Params.model_validate({**CELL, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"members": 80}, "too few for 80 members"),
        ({"domains": 10}, "10 domains and one untrained: there are 10 classes"),
    ],
)
def test_data_sets_that_are_too_small(change, words):
    with pytest.raises(StageError, match=words) as error:
        cells.run(
            "diffusion", "prepare", {**CELL, **change}, {"dataset": cells.digits(), "other": cells.digits()}
        )
    assert "\n" not in str(error.value)


def test_another_source_with_other_classes():
    few = cells.digits().read_arrays()
    rows = few["y"] < 2
    other = Evidence({"classes": 2}, read_arrays=lambda: {"x": few["x"][rows], "y": few["y"][rows]})
    with pytest.raises(StageError, match="the other source has no class"):
        cells.run("diffusion", "prepare", CELL, {"dataset": cells.digits(), "other": other})


def test_the_size_that_is_counted_is_near_to_the_models():
    params = {"dataset": "mnist", "patch": 2, "widths": [24, 48], "side": 16}
    counted = size(params)
    real = sum(p.numel() for p in build(Shape(1, 16, (24, 48), 32, 10), 0).parameters())
    assert 0.6 < counted.parameters / real < 1.6


@pytest.mark.parametrize("scale", ["gpu", "paper"])
def test_secmi_is_the_papers_where_it_can_be_paid_for(scale):
    for cell in SHEET["scales"][scale]["cells"].values():
        params = cells.params_of("diffusion", {**SHEET["base"], **cell})
        assert params.stride == 10
        assert 140 in params.stops


def test_secmi_is_counted_by_its_stride():
    params = cells.params_of("diffusion", CELL).model_dump(mode="json")
    wide, close = (work("attack", {**params, "stride": n}, "cpu").amounts["flop"] for n in (50, 10))
    looked = (params["domains"] - 1) * len(params["tunings"]) + 3
    images = params["members"] + params["others"]
    assert close - wide == pytest.approx(8 * looked * images * size(params).flop)
