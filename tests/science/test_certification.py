"""The certification study on a few hundred digits: every stage, the table, claims and all figures."""

from dataclasses import replace
from math import comb

import cell as cells
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from retrace.claims.load import load_claims
from retrace.data.external_names import EXTERNAL
from retrace.nets.conv_block_names import SHAPES
from retrace.nets.conv_blocks import conv_blocks
from retrace.stage import Evidence, StageError
from retrace.stats.mcnemar import mcnemar
from retrace.studies.certification import measure, prepare
from retrace.studies.certification.figures.accuracy import layers
from retrace.studies.certification.figures.draw import draw
from retrace.studies.certification.params import Params
from retrace.studies.certification.study import STUDY
from retrace.studies.certification.table import table

SHEET = cells.sheet("certification")
SMOKE = {**SHEET["base"], **SHEET["scales"]["smoke"]["base"]}
EFFORT = {"crown_images": 20, "complete_images": 4, "alpha_iterations": 2, "pgd_steps": 5, "domains": 4}


def cell(kind, **changes):
    own = SHEET["scales"]["smoke"]["cells"][f"digits-{kind}"]
    short = {"epochs": 1, "ramp_start": 0, "ramp_length": 0}
    methods = {}
    for name, method in own["methods"].items():
        training = {k: v for k, v in method.get("training", {}).items() if k not in ("epochs", "ramp_length")}
        methods[name] = {
            **method,
            "training": training,
            "complete": name in ("dense", "imp", "random", "shuffled"),
        }
    quick = {"train_images": 200, "test_images": 40, "validation_images": 30, "verification": EFFORT}
    return {**SMOKE, **own, **quick, "training": own["training"] | short, "methods": methods, **changes}


def stages(chosen, seed=0):
    return cells.row("certification", f"digits-{chosen['setting']}", chosen, seed, cells.digits())


@pytest.fixture(scope="module")
def rows():
    return [stages(cell("adversarial")), stages(cell("certified"))]


def test_the_table_has_every_claims_columns_and_one_row_an_image(rows):
    frame = table(rows).frame
    assert not frame.duplicated(["seed", "cell", "condition"]).any()
    counts = frame.groupby(["cell", "type"]).size()
    for setting in ("digits-adversarial", "digits-certified"):
        assert counts[setting, "test"] == 40
        assert counts[setting, "image"] == 20
        assert counts[setting, "slice"] == 4
    slow = ("verified_", "seconds_")  # only two methods are verified completely here
    for claim in load_claims(cells.ROOT / "claims/certifiedpruning.yaml").claims:
        missing = {c for c in claim.evidence.columns() if not c.startswith(slow)} - set(frame.columns)
        assert not missing, (claim.id, missing)


def test_bounds_and_attacks_are_in_their_order_image_by_image(rows):
    for row in rows:
        arrays = row.evidence["measure"].read_arrays()
        for prefix in {name.rpartition("/")[0] for name in arrays}:
            found = {q: arrays[f"{prefix}/{q}"] for q in ("clean", "pgd", "ibp", "crown")}
            count = len(found["crown"])
            assert (found["ibp"][:count] <= found["crown"]).all()
            assert (found["crown"] <= found["pgd"][:count]).all()
            assert (found["pgd"] <= found["clean"]).all()
            if f"{prefix}/status" in arrays:
                status = arrays[f"{prefix}/status"]
                assert (found["crown"][: len(status)] <= (status == 3)).all()
                assert (arrays[f"{prefix}/alpha"] <= (status == 3)).all()
                assert ((status == 3) <= found["pgd"][: len(status)]).all()


def test_the_paper_gets_the_figures_it_declares(rows):
    figures = draw("certifiedpruning", table(rows), {})
    assert set(figures) == {f.name for f in STUDY.figures}


def test_layers_stand_in_the_order_of_their_numbers():
    columns = ["unstable_10", "unstable_2", "unstable", "unstable_all", "unstable_1"]
    assert layers(pd.DataFrame(columns=columns)) == ["unstable_1", "unstable_2", "unstable_10"]


def test_states_keep_what_they_should_and_masks_are_shared(rows):
    trained = rows[0].evidence["train"]
    states = {name: found["states"] for name, found in trained.results["methods"].items()}
    for name in ("imp", "snip", "taylor", "hydra", "random", "shuffled", "reinit", "unretrained"):
        assert states[name][-1]["kept"] == pytest.approx(0.1, abs=2e-3), name
    weights = trained.read_scratch()
    pruned = ("imp/2", "reinit/1", "unretrained/1", "random/1", "shuffled/1")
    masks = {n: weights[f"{n}/3.weight"] != 0 for n in pruned}
    assert masks["imp/2"].sum() == masks["shuffled/1"].sum() != masks["random/1"].sum()
    assert not (masks["imp/2"] == masks["shuffled/1"]).all()
    assert (masks["imp/2"] == masks["reinit/1"]).all()
    assert (masks["imp/2"] == masks["unretrained/1"]).all()
    assert not (masks["imp/2"] == masks["random/1"]).all()
    dense = weights["dense/0/3.weight"]
    kept = masks["unretrained/1"]
    assert (weights["unretrained/1/3.weight"][kept] == dense[kept]).all()
    assert states["narrow_refilled"][0]["weights"] <= states["imp"][-1]["weights"]
    assert sum(states["slim"][1]["filters"]) == round(0.4 * 48)


def test_the_share_of_all_weights_stands_beside_that_of_the_convolutions(rows):
    states = rows[0].evidence["train"].results["methods"]["imp"]["states"]
    every = rows[0].evidence["train"].read_scratch()
    whole = sum(
        every[f"dense/0/{name}"].size
        for name in dict(conv_blocks(SHAPES["conv2"], 1, 8, 10, 0).named_parameters())
    )
    assert SHAPES["conv2"].weights(1, 8, 10) == whole
    assert states[0]["kept_whole"] == pytest.approx(1.0, abs=1e-3)
    left = sum(
        (every[name] != 0).sum()
        for name in every
        if name.startswith("imp/2/") and name.endswith(("weight", "bias"))
    )
    assert states[-1]["kept_whole"] == pytest.approx(left / whole)
    assert states[-1]["kept_whole"] > 3 * states[-1]["kept"]
    table_ = table(rows).frame
    sparse = table_[
        (table_["type"] == "state") & (table_["method"] == "imp") & (table_["cell"] == "digits-adversarial")
    ]
    assert sparse["kept_whole"].min() == pytest.approx(left / whole)


def test_images_that_both_stand_are_compared_in_what_is_proved(rows):
    frame = table(rows[:1]).frame
    some = frame[frame["type"] == "slice"]
    both = (some["stands_last_imp"] == 1) & (some["stands_last_shuffled"] == 1)
    assert (some["both_imp_shuffled"] == both).all()
    assert (some["proved_imp_shuffled"] == (both & (some["verified_last_imp"] == 1))).all()
    assert (some["proved_shuffled_imp"] == (both & (some["verified_last_shuffled"] == 1))).all()
    arrays = rows[0].evidence["measure"].read_arrays()
    assert "imp/2/status" in arrays  # the sparsest state, chosen or not


def test_a_state_that_would_lose_a_layer_is_left_out_with_a_note():
    methods = {
        "dense": {"complete": True},
        "imp": {"pruner": "imp", "kept": [0.3, 0.0002], "start": "dense", "complete": True},
        "reinit": {"pruner": "imp", "masks": "imp", "kept": [0.0002], "start": "dense", "rewind": "redrawn"},
        "slim": {"pruner": "slim", "kept": [0.4, 0.01], "start": "dense", "complete": True},
        "random": {"pruner": "random", "kept": [0.0001], "start": "dense", "complete": True},
    }
    row = stages(cell("adversarial", methods=methods))
    found = row.evidence["train"].results["methods"]
    assert [s["share"] for s in found["imp"]["states"]] == [1.0, 0.3]
    assert "would lose all its channels" in found["imp"]["left_out"][0]["why"]
    assert found["imp"]["left_out"][0]["share"] == 0.0002
    assert found["reinit"]["left_out"] == [{"share": 0.0002, "why": "imp has no masks at 0.0002"}]
    assert [entry["share"] for entry in found["slim"]["left_out"]] == [0.01]
    assert found["dense"]["left_out"] == []
    measured = row.evidence["measure"].results["methods"]
    assert (measured["imp"]["chosen"], measured["reinit"]["chosen"]) == (1, None)
    frame = table([row]).frame
    images = frame[frame["type"] == "image"]
    assert images["crown_imp"].notna().all()
    # the sparsest states are no longer equally sparse, so they are not spoken of
    assert images[["crown_last_imp", "crown_reinit", "crown_last_random"]].isna().all(axis=None)
    draw("certifiedpruning", table([row]), {})


def test_the_state_is_chosen_on_the_validation_slice(rows):
    for row in rows:
        for found in row.evidence["measure"].results["methods"].values():
            seen = {s["number"]: s["validation"].get("certified") for s in found["states"]}
            candidates = {n: v for n, v in seen.items() if v is not None}
            if candidates:
                assert candidates[found["chosen"]] == max(candidates.values())
                assert found["chosen"] == min(
                    n for n, v in candidates.items() if v == max(candidates.values())
                )


def test_images_are_divided_once_for_all_seeds_and_never_shared(rows):
    sets = rows[0].evidence["prepare"].read_scratch()
    ids = [set(sets[f"{part}.id"].tolist()) for part in ("train", "validation", "test")]
    assert sum(map(len, ids)) == len(set.union(*ids)) == 270
    assert not STUDY.stage("prepare").seeded
    for name, known in EXTERNAL.items():
        if not known.by_hand:
            rows = prepare.divide(known.train + known.test, name, (None, 500, None))
            assert rows["test"].min() == known.train
            assert len(rows["test"]) == known.test
    rows = prepare.divide(12_000, "fashion", (None, 500, None))
    assert rows["test"].min() >= 10_000
    assert len(rows["test"]) == 2000
    assert len(rows["train"]) == 9500
    assert max(rows["train"].max(), rows["validation"].max()) < 10_000
    with pytest.raises(StageError, match="1700 train images are wanted and 1697 are left of 1797"):
        prepare.divide(1797, "digits", (1700, 50, 50))


def test_the_same_seed_gives_the_same_results():
    methods = {"dense": {"complete": True}, "imp": {"pruner": "imp", "kept": [0.2], "start": "dense"}}
    first, second = (stages(cell("adversarial", methods=methods)) for _ in range(2))
    for verb in ("train", "measure"):
        assert first.evidence[verb].results == second.evidence[verb].results
    arrays = [row.evidence["measure"].read_arrays() for row in (first, second)]
    assert all((arrays[0][name] == arrays[1][name]).all() for name in arrays[0])


def test_mcnemar_is_the_binomial_test_of_the_pairs_that_differ():
    first, second = np.array([1] * 9 + [0] * 3 + [1] * 20), np.array([0] * 8 + [1] * 4 + [1] * 20)
    found = mcnemar(first, second)
    assert (found.gained, found.lost) == (8, 3)
    tail = sum(comb(11, k) for k in range(4)) / 2**11
    assert found.p == pytest.approx(2 * tail)
    assert mcnemar([1, 0], [1, 0]).p == 1.0
    with pytest.raises(ValueError, match="outcomes 0 and 1 only"):
        mcnemar([0.5], [1])
    with pytest.raises(ValueError, match="pairs outcomes one to one"):
        mcnemar([1, 0], [1])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"methods": {"imp": {"pruner": "inp", "kept": [0.1]}}}, "unknown pruner 'inp'"),
        ({"methods": {"imp": {"pruner": "imp", "kept": [0.0]}}}, "kept share 0: must be above 0"),
        ({"methods": {"imp": {"pruner": "imp", "kept": [1.5]}}}, "kept share 1.5: must be above 0"),
        ({"methods": {"imp": {"pruner": "imp", "kept": [0.1, 0.5]}}}, "list shares from large to small"),
        ({"methods": {"imp": {"pruner": "imp"}}}, "give shares to a pruner"),
        ({"methods": {"imp": {"pruner": "imp", "kept": [0.1], "start": "dens"}}}, "unknown earlier method"),
        ({"methods": {"imp": {"pruner": "shuffled", "kept": [0.1]}}}, "shuffled: masks must name the method"),
        ({"methods": {"dense": {"training": {"epsilon": -1}}}}, "epsilon"),
        ({"methods": {"dense": {"training": {"mode": "fgsm"}}}}, "mode"),
        ({"training": {"epsilon": -0.1}}, "epsilon"),
        ({"network": "conv7"}, "unknown network 'conv7'"),
        ({"dataset": "minst"}, "unknown data set 'minst' \\(did you mean 'mnist'"),
        ({"verification": {"crown_images": 5, "complete_images": 9}}, "more than crown_images"),
    ],
)
def test_bad_input_gets_one_clear_line(change, line):
    with pytest.raises(ValidationError, match=line):
        Params.model_validate(cell("adversarial") | change)


def test_methods_measured_apart_give_the_table_of_all_together(rows):
    whole = rows[0]
    parts = []
    for name in whole.params.methods:
        chosen = cell("adversarial")
        params = STUDY.stage("measure").params.model_validate(
            {k: v for k, v in chosen.items() if k in STUDY.stage("measure").uses}
            | {"methods": {name: chosen["methods"][name]}}
        )
        output = measure.run(params, dict(whole.evidence), 0)
        found = Evidence(output.results, output.timing, lambda output=output: output.arrays)
        parts.append(replace(whole, evidence={**whole.evidence, "measure": found}))
    expected, found = (table(given).frame for given in ([whole], parts))
    plain = [name for name in expected.columns if not name.startswith("seconds") and name != "each"]
    pd.testing.assert_frame_equal(found[plain], expected[plain])
