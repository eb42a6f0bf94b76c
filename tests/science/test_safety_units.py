"""Units, pruned variants, freezes and budget of the safety study: numbering, sizes, fairness, frozen bits."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import safety_cells as cells
import torch
from hypothesis import given
from hypothesis import strategies as st
from safety_units import BOTH, NET, NEURONS, ROWS, SHARES, freeze, ranking, some_scores

import retrace
from retrace.llm import tiny
from retrace.llm.kernels import statistics
from retrace.llm.kernels.units import UnitScores, unit_scores
from retrace.metrics.unit_groups import (
    Shares,
    classify,
    ranked,
    set_difference,
    sized_difference,
    top_complex,
)
from retrace.stage import StageError
from retrace.studies.safety import freezing, measure, setup, units
from retrace.studies.safety.params import Variant
from retrace.studies.safety.variants import choosing, chosen_units, unit_masks

# numbering


def test_a_units_number_its_layer_and_its_mask_agree():
    scores = UnitScores(
        torch.arange(256, dtype=torch.float64).view(4, 64),
        -torch.arange(128, dtype=torch.float64).view(4, 4, 8),
    )
    for kinds, layout in (("neurons+heads", BOTH), ("neurons", NEURONS)):
        assert units.layout(NET, kinds) == layout
        values = units.scoped(units.flat(scores, kinds), layout, "raw")
        assert len(values) == layout.count == len(layout.layer) == len(layout.module)
        for number in (0, 63, 64, 200, layout.count - 1):
            mlp, heads = units.masks(layout, np.array([number]), 4)
            where = scores.mlp[torch.from_numpy(mlp)], scores.heads[torch.from_numpy(heads)]
            assert torch.cat(where).tolist() == [values[number]]
            layer = int(np.flatnonzero(mlp.any(1) | heads.any(1))[0])
            assert (layout.layer[number], layout.module[number]) == (layer, layer + 4 * (number >= 256))


def test_raw_scores_are_the_kernels_own():
    found = unit_scores(NET, ROWS)
    values = units.scoped(units.flat(found, "neurons+heads"), BOTH, "raw")
    np.testing.assert_allclose(values, torch.cat([found.mlp.ravel(), found.heads.ravel()]))
    with pytest.raises(StageError, match="10 unit scores for a network that has 384: rerun `train`"):
        units.scoped(np.zeros(10), BOTH, "raw")


@pytest.mark.parametrize("scope", ["standardised", "per_module"])
def test_standardised_scores_put_layers_and_kinds_on_one_scale(scope):
    found = unit_scores(NET, ROWS)
    values = units.scoped(units.flat(found, "neurons+heads"), BOTH, scope)
    for number, raw in enumerate((*found.mlp.numpy(), *found.heads.numpy())):
        module = values[BOTH.module == number]
        np.testing.assert_allclose(module.mean(), 0, atol=1e-12)
        np.testing.assert_allclose(module.std(ddof=1), 1)
        np.testing.assert_allclose(module, (raw - raw.mean()) / raw.std(ddof=1))
    alike = np.ones(BOTH.scores)
    assert abs(units.scoped(alike, BOTH, scope)).max() == 0


# FLAP's defects: see also test_llm_statistics


def test_a_mean_taken_between_batches_is_no_view_of_the_running_sums():
    zeros = [torch.zeros(2, dtype=torch.float64) for _ in range(2)]
    found = statistics.Moments(0, *zeros, None)
    first, second = torch.tensor([[1.0, 2], [3, 5]]), torch.tensor([[-50.0, 0], [9, 9], [2, 1]])
    found.add(first)
    mean, variance = found.mean, found.variance
    found.add(second)
    assert mean.tolist() == [2, 3.5]
    assert variance.tolist() == [2, 4.5]
    torch.testing.assert_close(found.variance, torch.cat([first, second]).double().var(0))


@given(st.permutations(range(3)), st.integers(3, 40))
def test_scores_know_no_order_of_rows_and_no_batches(order, budget):
    """A batch that is skipped, or a mean that lags behind, would make them depend on both."""
    expected, found = unit_scores(NET, ROWS), unit_scores(NET, [ROWS[i] for i in order], budget=budget)
    torch.testing.assert_close(found.mlp, expected.mlp, rtol=1e-4, atol=1e-9)
    torch.testing.assert_close(found.heads, expected.heads, rtol=1e-4, atol=1e-9)


def test_a_module_of_larger_scale_wins_raw_ranks_alone():
    def first(scale, scope):
        net = tiny.network(3)
        with torch.no_grad():
            net.model.layers[3].mlp.down_proj.weight *= scale  # the last layer: no other sees its output
        values = units.scoped(units.flat(unit_scores(net, ROWS), "neurons+heads"), BOTH, scope)
        return set(np.argsort(-values)[:20].tolist())

    for scope in ("flap", "standardised"):
        assert first(100, scope) == first(1, scope)
    assert first(100, "raw") != first(1, "raw")
    assert all(192 <= number < 256 for number in first(100, "raw"))


# groups and orders


@given(st.integers(0, 50), st.floats(0.01, 0.3))
def test_ranked_within_modules_every_module_loses_the_same_share(seed, share):
    found = some_scores(seed=seed, scope="per_module")
    for rows in (
        found.first("esu", share, 0),
        np.flatnonzero(found.groups(Shares(share, 0, 0)) == 0),
        top_complex(found.groups(Shares(0, 0, 0)), found.safety, share, found.within),
    ):
        assert len(rows) == round(share * 272)
        gone = np.bincount(BOTH.module[rows], minlength=8)
        sizes = np.array([64] * 4 + [4] * 4)
        assert (np.abs(gone - share * sizes) < 1.5).all()  # rounded once for all, once within
    alone = np.arange(64)  # inside a module the order is that of the scores
    picked = np.intersect1d(found.first("esu", share, 0), alone)
    best = np.argsort(found.utility[alone] - found.safety[alone], kind="stable")[: len(picked)]
    assert set(picked) == set(best)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=40), st.data())
def test_the_difference_of_equal_tops_has_the_size_asked_for(pairs, data):
    s, u = np.array(pairs).T
    every = [len(set_difference(s, u, k / len(s), k / len(s))) for k in range(len(s) + 1)]
    count = data.draw(st.integers(0, max(every)))
    found = sized_difference(s, u, count)
    assert len(found) == count
    smallest = next(k for k, size in enumerate(every) if size >= count)
    assert sorted(found) == sorted(set_difference(s, u, smallest / len(s), smallest / len(s)))
    with pytest.raises(ValueError, match="at most, not"):
        sized_difference(s, u, max(every) + 1)


def test_orders_are_what_they_are_called():
    found = some_scores()
    small, large = found.first("random", 0.05, 7), found.first("random", 0.15, 7)
    assert set(small) < set(large)
    assert set(small) != set(found.first("random", 0.05, 8))
    shuffled = found.first("shuffled", 0.05, 0)
    assert shuffled.tolist() == ranked(*found.halves, "esu", 0.05).tolist()
    assert set(shuffled) != set(found.first("esu", 0.05, 0))
    alone = found.first("answers", 0.05, 0)
    assert alone.tolist() == ranked(*found.answers, "esu", 0.05).tolist()
    assert set(alone) != set(found.first("esu", 0.05, 0))
    ours = some_scores(scope="standardised")
    assert found.first("summed", 0.15, 0).tolist() == ours.first("ru", 0.15, 0).tolist()
    assert set(found.first("summed", 0.15, 0)) != set(found.first("ru", 0.15, 0))
    redundant, by_lot = (found.first(order, 0.15, 3) for order in ("ru", "matched_ru"))
    assert (by_lot >= 256).sum() == (redundant >= 256).sum()
    assert set(by_lot) != set(redundant)
    assert found.first("safety", 0.01, 0)[0] == found.safety.argmax()
    assert set(found.first("ru", 0.15, 0)) == set(
        np.flatnonzero(classify(found.safety, found.utility, Shares(0, 0, 0.15)) == 3)
    )
    for order in (
        "esu",
        "euu",
        "ru",
        "random",
        "matched_esu",
        "matched_ru",
        "safety",
        "difference",
        "shuffled",
        "answers",
        "summed",
    ):
        rows = found.first(order, 0.05, 3)
        assert len(set(rows.tolist())) == 14


def test_variants_that_cannot_be_had_are_named():
    with pytest.raises(StageError, match=r"variants\.esu_1: a share of 0\.001 is less than one of 272 units"):
        chosen_units(some_scores(), {"esu_1": Variant(order="esu", share=0.001)}, 0)
    alike = {"net/safety": np.arange(384.0), "net/utility": np.arange(384.0)}
    found = units.scored(alike, "net", BOTH, ranking("raw"))
    with pytest.raises(StageError, match=r"variants\.difference_100: top safety units less top utility"):
        chosen_units(found, {"difference_100": Variant(order="difference", share=0.1)}, 0)
    for order in ("shuffled", "answers"):
        with pytest.raises(StageError, match=f"no scores for the order '{order}': rank those of aligned"):
            found.first(order, 0.1, 0)


def test_masks_lack_the_units_of_their_variant():
    rows = {"a": np.array([0, 70]), "b": np.array([256, 271, 3])}
    made = unit_masks(NET, BOTH, list(rows.values()))
    assert (~made.mlp[0]).nonzero().tolist() == [[0, 0], [1, 6]]
    assert bool(made.heads[0].all())
    assert (~made.heads[1]).nonzero().tolist() == [[0, 0], [3, 3]]
    variants = {
        name: Variant(order=name.rsplit("_", 1)[0], share=int(name.rsplit("_", 1)[1]) / 1000)
        for name in ("esu_50", "esu_100", "random_100", "random_300", "ru_150", "safety_50", "matched_esu_50")
    }
    assert choosing(variants, SHARES) == [0, 6]


# freezes and budget


@pytest.mark.parametrize("seed", range(3))
def test_random_freezes_hold_as_many_units_that_could_move(seed):
    found = some_scores(seed=seed)
    safety = freezing.frozen_units(found, freeze("safety", share=0.2), SHARES, 1, seed)
    random = freezing.frozen_units(found, freeze("random", share=0.2), SHARES, 1, seed)
    assert len(safety) == round(0.2 * 272)
    groups = found.groups(SHARES)
    own = set(np.flatnonzero(groups == 0))
    assert own < set(safety)
    rest = np.array(sorted(set(safety) - own))
    left = np.setdiff1d(np.flatnonzero(groups == 2), rest)
    assert found.safety[rest].min() >= found.safety[left].max()
    assert (BOTH.layer[random] >= 1).all()
    for kind in (slice(0, 256), slice(256, 272)):
        among = np.arange(272)[kind]
        inside = BOTH.layer[safety] >= 1
        assert np.isin(random, among).sum() == np.isin(safety[inside], among).sum()
    assert set(random) != set(safety)


def test_lower_and_complex_freezes_and_what_they_leave():
    found, net = some_scores(), tiny.network(3)
    lower = freezing.plan_freeze(net, found, freeze("lower", layers=2), SHARES, 1, 0)
    assert {int(name.split(".")[2]) for name in lower.trainable} == {3}
    assert set(BOTH.layer[lower.rows]) == {1, 2}
    assert lower.record(net, BOTH, 1)["in_trained_layers"] == 2 * 68
    whole = freezing.plan_freeze(net, found, freeze("complex"), SHARES, 1, 0)
    held = np.isin(found.groups(SHARES), [0, 2])  # ESU and CU
    assert whole.rows.tolist() == np.flatnonzero(held).tolist()
    free = freezing.plan_freeze(net, found, freeze("none"), SHARES, 1, 0)
    assert free.record(net, BOTH, 1) == {"units": 0, "in_trained_layers": 0, "entries": 3 * 9216}
    with pytest.raises(StageError, match="3 frozen layers from 1 on leave none of 4"):
        freezing.plan_freeze(net, found, freeze("lower", layers=3), SHARES, 1, 0)


@pytest.fixture(scope="module")
def row():
    return cells.trained(cells.cell(), later=("measure", "defend", "attack"))


def test_frozen_entries_never_move_and_the_others_do(row):
    """The smoke cell's fine-tuning has weight decay; alignment budgets freeze all but a fifth."""
    for verb in ("attack", "defend"):
        results = row.evidence[verb].results
        for name, moved in results["moved"].items():
            assert moved["frozen"] == 0, name
            assert moved["trained"] > 0.9 * results["trained"][name]["entries"], name
    trained = row.evidence["attack"].results["trained"]
    entries = {name: found["entries"] for name, found in trained.items()}
    assert entries["tuned_free"] == 3 * 9216
    assert entries["tuned_complex"] < entries["tuned_safety"] < entries["tuned_free"]
    assert trained["tuned_random"]["units"] == trained["tuned_safety"]["in_trained_layers"]


def test_counting_what_moved_sees_a_frozen_entry_that_did():
    net = tiny.network(3)
    name = "model.layers.1.mlp.up_proj.weight"
    weight = dict(net.named_parameters())[name]
    before = {name: weight.detach().clone()}
    with torch.no_grad():
        weight[0, :3] += 1
        weight[5] += 1
    mask = torch.zeros_like(weight, dtype=torch.bool)
    mask[5] = True
    assert freezing.moved(net, before, {name: mask}) == {"trained": 32, "frozen": 3}
    assert freezing.moved(net, before, {}) == {"trained": 0, "frozen": 35}
    assert freezing.moved(net, before, {name: None}) == {"trained": 35, "frozen": 0}


def test_every_network_is_evaluated_and_every_run_starts_from_the_same_weights(row):
    arrays = {verb: done.read_arrays() for verb, done in row.evidence.items()}
    for verb, names in (
        ("defend", ("budget_ru", "budget_random")),
        ("attack", [f"tuned_{name}" for name in row.params.freezes]),
    ):
        for name in names:
            assert arrays[verb][f"{name}/margin"].shape == arrays["train"]["aligned/margin"].shape
            for quantity in ("right", "neutral_nll"):
                assert (f"{name}/{quantity}" in arrays[verb]) == (verb == "defend")
    losses = row.evidence["attack"].results["losses"]
    assert len({tuple(values[:1]) for values in losses.values()}) == 1
    assert len({tuple(values) for values in losses.values()}) == len(losses)
    for name in ("safety", "utility"):
        tuned, aligned = arrays["attack"][f"tuned_free/{name}"], arrays["train"][f"aligned/{name}"]
        assert (tuned[:64] == aligned[:64]).all()  # layer 0 is not trained
        assert not (tuned[64:256] == aligned[64:256]).all()


def test_a_budget_trains_the_redundant_units_of_the_released_model(row):
    results = row.evidence["defend"].results
    found = units.scored(row.evidence["train"].read_arrays(), "released", BOTH, row.params)
    redundant = found.first("ru", 0.2, 0)
    inside = int((BOTH.layer[redundant] >= 1).sum())
    assert results["trained"]["budget_ru"]["units"] == len(redundant) == 54
    assert {results["trained"][name]["in_trained_layers"] for name in results["trained"]} == {inside}
    full = row.evidence["train"].results["losses"]
    assert all(len(values) == len(full) for values in results["losses"].values())
    assert results["losses"]["budget_ru"][0] == pytest.approx(full[0], rel=1e-6)


def test_measured_variants_and_probe_have_one_value_an_item(row):
    done = row.evidence["measure"]
    arrays = done.read_arrays()
    for name in row.params.variants:
        assert arrays[f"{name}/margin"].shape == (6,)
    answering = {name.split("/")[0] for name in arrays if name.endswith("/right")}
    assert answering == {
        "esu_20",
        "euu_70",
        "random_20",
        "matched_esu_20",
    }
    assert done.results["units"]["ru_150"] == 41
    assert done.results["layout"] == {"layers": 4, "neurons": 64, "heads": 4, "width": 8}
    for model in ("released", "aligned"):
        for opening in measure.OPENINGS:
            found = arrays[f"probe/{model}/{opening}"]
            assert found.shape == (4, 2, 4)
            assert ((found >= -1e-6) & (found <= 2)).all()
    assert not (arrays["probe/released/refusal"] == arrays["probe/aligned/refusal"]).any()
    sound = setup.released(row.params)
    assert sound.layers == 4


def test_the_same_seed_gives_the_same_bytes(row):
    again = cells.trained(cells.cell(), later=("measure", "defend", "attack"))
    for verb in ("measure", "defend", "attack"):
        one, two = row.evidence[verb], again.evidence[verb]
        assert one.results == two.results
        assert all((values == two.read_arrays()[name]).all() for name, values in one.read_arrays().items())


def test_no_way_from_tokens_to_text_but_the_judges():
    """Stronger than the name of one function: none of a tokenizer's ways back to text is used elsewhere."""
    back = re.compile(
        r"\b(?:batch_decode|convert_ids_to_tokens|convert_tokens_to_string|id_to_token)\b|\.decode\b"
    )
    source = Path(retrace.__file__).parent
    found = {
        path.relative_to(source).as_posix()
        for room in ("llm", "studies/backdoor", "studies/compression", "studies/safety")
        for path in (source / room).rglob("*.py")
        if back.search(path.read_text(encoding="utf-8"))
    }
    judges = {"llm/judges/behaviour.py", "llm/judges/outcomes.py", "llm/judges/trust/generating.py"}
    assert found == judges
    for path in judges:  # and none of them gives text back
        judge = import_module("retrace." + path.removesuffix(".py").replace("/", "."))
        for _, function in inspect.getmembers(judge, inspect.isfunction):
            if function.__module__ == judge.__name__:
                given = str(inspect.signature(function).return_annotation).replace("dict[str", "")
                assert not re.search(r"\bstr\b", given), function
