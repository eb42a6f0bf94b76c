"""The certification study on a few hundred digits: every stage, the table, claims and all figures."""

from math import comb

import cell as cells
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from retrace.claims.load import load_claims
from retrace.data.external_names import EXTERNAL
from retrace.stage import StageError
from retrace.stats.mcnemar import mcnemar
from retrace.studies.certification import prepare
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
        methods[name] = {**method, "training": training, "complete": name in ("dense", "imp")}
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
    for name in ("imp", "snip", "taylor", "hydra", "random", "reinit", "unretrained"):
        assert states[name][-1]["kept"] == pytest.approx(0.1, abs=2e-3), name
    weights = trained.read_scratch()
    masks = {n: weights[f"{n}/3.weight"] != 0 for n in ("imp/2", "reinit/1", "unretrained/1", "random/1")}
    assert (masks["imp/2"] == masks["reinit/1"]).all()
    assert (masks["imp/2"] == masks["unretrained/1"]).all()
    assert not (masks["imp/2"] == masks["random/1"]).all()
    dense = weights["dense/0/3.weight"]
    kept = masks["unretrained/1"]
    assert (weights["unretrained/1/3.weight"][kept] == dense[kept]).all()
    assert states["narrow_refilled"][0]["weights"] <= states["imp"][-1]["weights"]
    assert sum(states["slim"][1]["filters"]) == round(0.4 * 48)


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
        ({"methods": {"dense": {"training": {"epsilon": -1}}}}, "epsilon"),
        ({"methods": {"dense": {"training": {"mode": "fgsm"}}}}, "mode"),
        ({"training": {"epsilon": -0.1}}, "epsilon"),
        ({"network": "conv3"}, "unknown network 'conv3'"),
        ({"dataset": "minst"}, "unknown data set 'minst' \\(did you mean 'mnist'"),
        ({"verification": {"crown_images": 5, "complete_images": 9}}, "more than crown_images"),
    ],
)
def test_bad_input_gets_one_clear_line(change, line):
    with pytest.raises(ValidationError, match=line):
        Params.model_validate(cell("adversarial") | change)
