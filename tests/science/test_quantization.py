"""The quantization study: its stages on a small cell, its table, and what its sheet refuses."""

from itertools import product

import cell
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from pydantic import ValidationError

from retrace.data.attributed import load_attributed
from retrace.stage import StageError
from retrace.studies.quantization.figures.gaps import disparities
from retrace.studies.quantization.figures.logaxis import plain
from retrace.studies.quantization.figures.logits import histograms
from retrace.studies.quantization.figures.mitigation import mitigated
from retrace.studies.quantization.figures.words import LABELS, MITIGATED
from retrace.studies.quantization.params import Mitigation
from retrace.studies.quantization.table import _log_ratio, table

METHODS = {
    "fp32": {"curvature": True},
    "ptq_8": {"weights": 8, "inputs": 8},
    "ptq_2": {"weights": 2, "inputs": 2, "curvature": True},
    "weights_3": {"weights": 3},
    "noise_2": {"weights": 2, "inputs": 2, "noise": True},
    "variance_2": {"weights": 2, "inputs": 2, "rescale": "variance"},
    "enlarged_fp32": {"network": "enlarged"},
    "smaller_fp32": {"network": "smaller"},
}
MITIGATIONS = {
    "qat_3": {"bits": 3},
    "mixed_3_over": {"bits": 3, "mixed": "worst", "budget": 3.2, "sampling": "over"},
    "pruned_3": {"bits": 3, "pruned": True},
}
CHOSEN = {
    "dataset": "digits",
    "groups": "pairs",
    "most": 60,
    "ratio": 6,
    "test_per_group": 20,
    "epochs": 4,
    "tune_epochs": 1,
    "curvature_images": 10,
    "probes": 2,
    "trace_images": 10,
    "trace_probes": 2,
    "methods": METHODS,
    "mitigations": MITIGATIONS,
    "pictured": ["fp32", "ptq_2"],
}


@pytest.fixture(scope="module")
def row():
    return cell.row("quantization", "digits-pairs", CHOSEN, seed=3, data=cell.digits())


@pytest.fixture(scope="module")
def frame(row):
    return table([row]).frame


def test_groups_are_as_large_as_asked_for_and_tested_alike(row):
    about, parts = row.evidence["prepare"].results, row.evidence["prepare"].read_scratch()
    assert sorted(about["sizes"], reverse=True) == [60, 38, 24, 16, 10]
    assert np.bincount(parts["train.g"]).tolist() == about["sizes"]
    assert np.bincount(parts["test.g"]).tolist() == [20] * 5 == np.bincount(parts["shuffled"]).tolist()
    assert (parts["train.y"] // 2 == parts["train.g"]).all()


def test_there_is_a_row_a_group_method_and_kind(frame):
    names = len(METHODS) + len(MITIGATIONS)
    counts = frame["type"].value_counts().to_dict()
    assert counts == {"group": 5 * names, "random": 5 * names, "method": names, "disparity": names}
    assert not frame.duplicated(["seed", "cell", "condition"]).any()
    assert frame.loc[frame["type"] == "group", "part"].value_counts().to_dict() == {
        "majority": names,
        "middle": 3 * names,
        "minority": names,
    }


def test_excess_is_against_the_same_network_unrounded(frame):
    plain = frame[frame["method"].isin(["fp32", "enlarged_fp32"]) & (frame["type"] == "group")]
    assert plain[["excess_loss", "accuracy_drop", "variance_change"]].eq(0).all().all()
    small = frame[(frame["method"] == "smaller_fp32") & (frame["type"] == "group")]
    assert small["excess_loss"].ne(0).all()
    few, many = (
        frame.loc[(frame["method"] == f"ptq_{b}") & (frame["type"] == "group"), "logit_error"].mean()
        for b in (2, 8)
    )
    assert few > 5 * many > 0


def test_disparities_are_minority_less_majority(frame):
    own = frame[(frame["method"] == "ptq_2") & (frame["type"] == "group")].set_index("part")["excess_loss"]
    found = frame.loc[(frame["method"] == "ptq_2") & (frame["type"] == "disparity"), "excess_loss"]
    assert float(found.iloc[0]) == pytest.approx(own["minority"] - own["majority"])
    drawn = disparities(frame)
    drawn = drawn[(drawn["curve"] == "rounded") & (drawn["place"] == 6)]  # two bits
    assert float(drawn["excess_loss"].iloc[0]) == pytest.approx(float(found.iloc[0]))


def test_restored_variance_is_that_of_full_precision_up_to_the_sample(frame):
    changes = frame[frame["type"] == "group"].groupby("method")["variance_change"].mean()
    assert abs(changes["variance_2"]) < abs(changes["ptq_2"])


def test_curvature_is_there_where_asked_for(row, frame):
    states = row.evidence["measure"].results["states"]
    assert {name for name, state in states.items() if "curves" in state} == {"fp32", "ptq_2"}
    rounded = frame[(frame["method"] == "weights_3") & (frame["type"] == "group")]
    assert (rounded["bound"] > 0).all()
    assert rounded["fp_sample_gradient_norm"].notna().all()
    share = states["weights_3"]["shift"] / states["weights_3"]["expected_shift"]
    assert 0.5 < share < 1.5


def test_logits_that_are_all_alike_have_lost_all_variance():
    assert _log_ratio(0.0, 2.0) == -np.inf
    assert _log_ratio(1.0, 2.0) == pytest.approx(np.log(0.5))


def test_budgets_are_kept(row):
    states = row.evidence["defend"].results["states"]
    assert states["qat_3"]["bits"] == 3
    assert states["mixed_3_over"]["bits"] <= 3.2
    assert states["pruned_3"]["bits"] == 3


def test_logits_are_counted_by_group_in_the_order_of_size(row):
    pictures = table([row]).pictures
    edges, counts = pictures.logits[("digits-pairs", "fp32")]
    assert counts.shape == (5, len(edges) - 1)
    assert counts.sum() > 0.99 * 5 * 20 * 10 - 2


def test_the_sheet_has_every_combination_of_the_mitigation():
    found = set()
    for name, given in cell.sheet("quantization")["base"]["mitigations"].items():
        m = Mitigation.model_validate(given)
        if m.bits == 3 and m.mixed != "worst" and not (m.learned or m.pruned):
            assert name == "_".join(
                [
                    "qat_3" if m.mixed == "none" else "mixed_3",
                    *([m.sampling] if m.sampling != "plain" else []),
                    *([m.weighting] if m.weighting != "none" else []),
                ]
            )
            found.add((m.mixed, m.sampling, m.weighting))
    samplings = ("plain", "over", "under", "balanced")
    assert found == set(product(("none", "mean"), samplings, ("none", "inverse")))


def test_figures_keep_the_order_of_bits_and_of_the_sheet(row, frame):
    given = table([row]).pictures.logits
    drawn = histograms(dict(reversed(given.items())), labels=LABELS)
    assert [ax.get_title(loc="left") for ax in drawn.axes] == ["full precision", "2 bits"]
    twice = pd.concat([frame.assign(cell="z"), frame.assign(cell="a")])
    assert list(mitigated(twice)["cell"].unique()) == ["z", "a"]
    kept = [m for m in MITIGATED if m in set(frame["method"])]
    assert list(mitigated(frame)["method"]) == kept


def test_narrow_logarithmic_axes_have_few_ticks():
    for low, high, wanted in ((0.42, 0.61, [0.45, 0.5, 0.55, 0.6]), (0.5, 40, [1, 3, 10, 30])):
        ax = Figure().subplots()
        ax.set_xscale("log")
        ax.set_xlim(low, high)
        plain(ax.xaxis)
        assert [t for t in ax.get_xticks() if low <= t <= high] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"methods": METHODS | {"x": {"weights": 1}}}, "bits 1: must be 2 to 16, or null"),
        ({"methods": {"ptq_8": {"weights": 8}}}, "methods.fp32: must be there, unrounded, with curvature"),
        ({"attributed": "elpv"}, "dataset: give this or attributed, and not both"),
        ({"groups": "attribute"}, "groups: attribute goes with attributed"),
        ({"enlarged": False}, "methods.enlarged_fp32: enlarged is false"),
        ({"mitigations": {"x": {"learned": True}}}, "bits: mixed, learned and pruned need a number"),
        ({"mitigations": {"x": {"bits": 3, "budget": 3.2}}}, "budget: goes with mixed bits"),
        ({"mitigations": {"x": {"bits": 3, "pruned": True, "learned": True}}}, "pruned: weights that are"),
        ({"mitigations": {"ptq_8": {"bits": 3}}}, "mitigations.ptq_8: a method has that name"),
    ],
)
def test_what_does_not_fit_is_refused(change, said):
    with pytest.raises(ValidationError, match=said):
        cell.params_of("quantization", CHOSEN | change)


def test_faces_that_are_not_there_are_named_with_their_place(tmp_path):
    with pytest.raises(StageError, match=r"data set utkface: not in .*attributed/utkface; see .*unpack"):
        load_attributed("utkface", tmp_path)
    (tmp_path / "attributed/fairface").mkdir(parents=True)
    with pytest.raises(StageError, match=r"data set fairface: no fairface_label_train.csv in"):
        load_attributed("fairface", tmp_path)
    with pytest.raises(StageError, match=r"unknown set with an attribute 'elvp' \(did you mean 'elpv'\?\)"):
        load_attributed("elvp", tmp_path)


def test_faces_are_read_by_their_names(tmp_path):
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path / "attributed/utkface"
    folder.mkdir(parents=True)
    for name in ("20_1_3_x.jpg", "30_0_0_x.jpg", "40_0_x.jpg"):  # the last lacks its race
        image.fromarray(np.full((8, 8, 3), 100, dtype=np.uint8)).save(folder / name)
    found = load_attributed("utkface", tmp_path)
    assert found.images.x.shape == (2, 64, 64, 3)
    assert found.images.y.tolist() == [1, 0]
    assert found.attribute.tolist() == [3, 0]
