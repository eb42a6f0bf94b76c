"""The forgetting study on tiny transformers: labels, damage, what is left, what a sheet may not say."""

import cell
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from retrace.nets.layernorms import find
from retrace.seeds import generator
from retrace.sheet import params_model
from retrace.stage import StageError
from retrace.studies.forgetting import damage, setup, table
from retrace.studies.forgetting.names import copies


def chosen(order="post", **changes):
    sheet = cell.sheet("forgetting")
    smoke = sheet["scales"]["smoke"]
    return sheet["base"] | smoke["base"] | {"checkpoint": f"tiny-{order}"} | changes


@pytest.fixture(scope="module", params=["post", "pre"])
def row(request):
    return cell.row("forgetting", f"{request.param}-tiny", chosen(request.param))


def test_training_rows_get_wrong_labels_and_test_rows_have_theirs(row):
    arrays = row.evidence["train"].read_arrays()
    assert arrays["wrong"].sum() == round(0.2 * 36)
    for y, other in (("y", "other"), ("test_y", "test_other")):
        assert (arrays[y] != arrays[other]).all()
        assert np.ptp(np.bincount(arrays[y], minlength=6)) <= 1


def test_only_what_is_removed_differs_at_first(row):
    results = row.evidence["train"].results
    assert results["entries"]["kept"] == 0
    assert results["entries"]["norms"] == results["entries"]["others"] > 0
    assert results["losses"]["kept"][-1] < results["losses"]["kept"][0]


def test_the_same_seed_gives_the_same_bytes(row):
    again = cell.row("forgetting", "again", row.params.model_dump(mode="json"))
    for verb in ("train", "measure"):
        for name, values in row.evidence[verb].read_arrays().items():
            assert np.array_equal(values, again.evidence[verb].read_arrays()[name]), name


def test_damage_grows_and_spares_norms_embedding_and_head():
    params = params_model("forgetting").model_validate(chosen())
    net = setup.case(params, {}, 0).network()
    net.requires_grad_(False)
    before = dict(net.named_parameters())
    spared = {name for name, p in before.items() if p.ndim == 1 or "embed" in name or name.startswith("head")}
    assert len(find(net.backbone)) > 2
    gaps = {}
    for name, twin in damage.damaged(net, params, 0):
        after = dict(twin.named_parameters())
        moved = {n for n in before if not torch.equal(before[n], after[n])}
        assert moved == set(before) - spared
        gaps[name] = sum(float((before[n] - after[n]).square().sum()) for n in before)
    for own in copies(params).values():
        sizes = [gaps[name] for name in own]
        assert sizes == sorted(sizes)
    whole = sum(float(before[n].square().sum()) for n in set(before) - spared)
    assert gaps["noise_200"] == pytest.approx(0.04 * whole, rel=1e-3)


def test_rounded_rows_have_their_levels_and_keep_their_ends():
    weight = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    for levels in (2, 5, 16):
        found = damage.rounded(weight, levels)
        assert all(len(row.unique()) <= levels for row in found)
        step = (weight.amax(1) - weight.amin(1)) / (levels - 1)
        assert ((found - weight).abs().amax(1) <= step * (1 + 1e-5)).all()


def labels(wrong):
    y = np.array([0, 1, 2, 0, 1, 2])
    return table.Labels(y, (y + 1) % 3, np.array(wrong), y, (y + 2) % 3)


def logits(classes):
    return 4.0 * np.eye(3)[np.array(classes)]


def test_a_network_that_memorised_all_and_one_that_knows_better():
    own = labels([True, True, False, False, False, False])
    memorised = table.outcome(logits([1, 2, 2, 0, 1, 2]), logits([0, 1, 2, 0, 1, 2]), own)
    assert (
        memorised["memorised"] == memorised["clean"] == memorised["learning"] == memorised["auc_wrong"] == 1
    )
    assert memorised["auc"] == 0.5
    recovered = table.outcome(logits(own.y), logits(own.y), own)
    assert (recovered["memorised"], recovered["recovered"], recovered["auc_wrong"]) == (0, 1, 0.5)


def test_where_damage_first_costs_a_share():
    assert table.fallen([1.0, 0.95, 0.85, 0.2], 0.9, [1.0, 0.8, 0.4, 0.0]) == pytest.approx(0.6)
    assert table.fallen([1.0, 0.8, 1.0, 0.8], 0.9, [1.0, 0.0, 5.0, 5.0]) == pytest.approx(0.5)
    assert np.isnan(table.fallen([1.0, 0.95], 0.9, [1.0, 0.0]))
    assert np.isnan(table.fallen([1.0, float("nan"), 0.8], 0.9, [1.0, 0.5, 0.0]))


def test_the_table_has_networks_copies_and_labels(row):
    frame = table.table([row]).frame
    kinds = frame["type"].value_counts()
    assert (kinds["cell"], kinds["copy"], kinds["label"]) == (1, 9, 7)
    whole = frame[frame["type"] == "cell"].iloc[0]
    for name in ("start", "kept", "norms", "others"):
        assert 0 <= whole[f"auc_{name}"] <= 1
    if np.isfinite(whole["learned_kept"]):
        assert whole["learned_kept"] == pytest.approx(1)


def test_rows_are_drawn_evenly_or_refused():
    y = np.array([0] * 9 + [1] * 4 + [2] * 9)
    rows = setup.balanced(y, np.arange(22), 10, "train", generator(0, "test"))
    assert sorted(np.bincount(y[rows])) == [3, 3, 4]
    with pytest.raises(StageError, match="class 1 has 4 rows, not 5; lower rows"):
        setup.balanced(y, np.arange(22), 15, "train", generator(0, "test"))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"levels": [3, 4]}, "write them falling"),
        ({"levels": [9, 1]}, "greater than or equal to 2"),
        ({"pruned": [0.5, 0.2]}, "write them rising"),
        ({"noise": [0.5, 0.5]}, "write them rising"),
        ({"checkpoint": "vit-b"}, "reads images"),
        ({"checkpoint": "tiny-pots"}, "tiny-post"),
        ({"layers": 9}, "has 3; lower it"),
        ({"texts": "brown"}, "brown needs its name"),
        ({"dataset": "brown"}, "keywords has none"),
        ({"lost": 1.0}, "less than 1"),
    ],
)
def test_what_a_sheet_may_not_say(changes, line):
    with pytest.raises(ValidationError, match=line):
        params_model("forgetting").model_validate(chosen(**changes))
