"""The safety study on a tiny model: which rows serve what, the alignment, what is observed of networks."""

import json

import numpy as np
import pytest
import safety_cells as cells
import torch
from pydantic import ValidationError

from retrace.llm.judges import outcomes
from retrace.llm.kernels.masks import UnitMasks, nothing_masked, prune
from retrace.llm.training.steps import Settings
from retrace.llm.training.tune import linears
from retrace.stage import StageError
from retrace.studies.safety import encode, outcome, params, prepare, setup, texts, tuning

QUANTITIES = {
    "margin": 6,
    "nll": 6,
    "neutral_nll": 4,
    "right": 6,
    "lead": 6,
    **dict.fromkeys(("refused", "met", "broken"), 6),
    **dict.fromkeys(("benign_refused", "benign_broken"), 5),
    **dict.fromkeys(("lookalike_refused", "lookalike_broken"), 4),
}


@pytest.fixture(scope="module")
def row():
    return cells.trained(cells.cell())


@pytest.fixture(scope="module")
def tests(row):
    return texts.read("policy", row.evidence["prepare"])


def parts(seed, **changes):
    arrays = cells.run("prepare", cells.cell(**changes), {}, seed).read_arrays()
    return {name: set(values.tolist()) for name, values in arrays.items()}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_row_serves_two_purposes_and_tests_are_the_same_for_all_seeds(seed):
    found, first = parts(seed), parts(0)
    for kind in ("harmful", "benign", "lookalike"):
        own = {name: rows for name, rows in found.items() if name.endswith(f"/{kind}")}
        assert sum(map(len, own.values())) == len(set.union(*own.values()))
        assert found[f"tests/{kind}"] == first[f"tests/{kind}"]
    assert (found["alignment/harmful"] == first["alignment/harmful"]) == (seed == 0)
    assert min(found["tests/harmful"]) >= texts.POLICY_ROWS > max(found["alignment/harmful"])


def test_public_harmful_tests_alternate_between_a_source_of_their_own_and_held_out_rows():
    reserved = tuple(range(100, 120))
    rows = prepare._tests("harmful", 120, reserved, 30, mixed=True)
    assert [row >= 100 for row in rows] == [True, False] * 15
    assert len(set(rows.tolist())) == 30


def test_too_few_rows_are_named():
    with pytest.raises(StageError, match="80 harmful rows are wanted and 72 are there: lower `rows`"):
        parts(0, rows={"harmful": 72})
    with pytest.raises(StageError, match="73 test harmful rows are wanted and 72 are there"):
        parts(0, tests={"harmful": 73})


def test_alignment_learns_and_leaves_the_layers_below_alone(row):
    done = row.evidence["train"]
    losses = done.results["losses"]
    assert np.mean(losses[-2:]) < 0.9 * losses[0]
    assert {int(name.split(".")[2]) for name in done.read_scratch()} == {1, 2, 3}
    arrays = done.read_arrays()
    for name in ("released", "aligned"):
        assert {q: arrays[f"{name}/{q}"].shape for q in QUANTITIES} == {
            q: (n,) for q, n in QUANTITIES.items()
        }
        assert arrays[f"{name}/safety"].shape == arrays[f"{name}/utility"].shape == (4 * (64 + 32),)
        assert arrays[f"{name}/shuffled"].shape == (2, 4 * (64 + 32))
        assert (arrays[f"{name}/refused"] + arrays[f"{name}/met"] + arrays[f"{name}/broken"] == 1).all()
    below = slice(64)  # neurons of layer 0, which is not trained
    assert (arrays["released/safety"][below] == arrays["aligned/safety"][below]).all()
    assert not (arrays["released/safety"][64:256] == arrays["aligned/safety"][64:256]).any()


def test_alignment_makes_refusing_openings_likelier_and_answers_too():
    chosen = cells.cell(
        rows={"harmful": 48, "benign": 48, "lookalike": 1, "calibration": 2, "attack": 2},
        tests={"harmful": 24, "benign": 24, "scored": 24},
        alignment={"epochs": 16, "rate": 5e-3},
        start=0,
    )
    arrays = cells.trained(chosen).evidence["train"].read_arrays()
    gain = arrays["aligned/margin"] - arrays["released/margin"]
    assert gain.mean() > 0.1
    assert (arrays["aligned/nll"] < arrays["released/nll"]).all()


def test_the_saved_weights_are_the_aligned_model(row, tests):
    again = setup.aligned(row.params, row.evidence)
    found = outcome.evaluate(again, tests, row.params)
    arrays = row.evidence["train"].read_arrays()
    assert all((values == arrays[f"aligned/{name}"]).all() for name, values in found.items())
    fresh = outcome.evaluate(setup.released(row.params), tests, row.params)
    assert not (fresh["margin"] == found["margin"]).any()


def test_a_neutral_sentence_stands_outside_any_chat_and_is_scored_from_its_second_token(row, tests):
    """The mean loss that transformers has of the bare sentence, over all tokens but the first."""
    model = setup.released(row.params)
    found = outcome.evaluate(model, tests, row.params)["neutral_nll"]
    for value, sentence in zip(found, tests.neutral, strict=True):
        ids = torch.tensor([model.tokenizer(sentence)["input_ids"]])
        assert model.tokenizer.decode(ids[0]) == sentence
        with torch.no_grad():
            assert value == pytest.approx(float(model.net(ids, labels=ids).loss), abs=1e-4)


def test_variants_are_what_pruned_networks_are(row, tests):
    model = setup.aligned(row.params, row.evidence)
    whole = nothing_masked(model.net, 3)
    generator = torch.Generator().manual_seed(0)
    mlp = whole.mlp & (torch.rand(whole.mlp.shape, generator=generator) > 0.3)
    heads = whole.heads.clone()
    heads[2, 1:, 2] = False
    mlp[0] = True
    masks = UnitMasks(mlp, heads)
    found = outcome.evaluate_variants(model, masks, tests, row.params, choosing=[0, 2])
    for variant, values in enumerate(found):
        cut = setup.aligned(row.params, row.evidence)
        prune(cut.net, masks.mlp[variant], masks.heads[variant])
        expected = outcome.evaluate(cut, tests, row.params)
        lacking = {"lookalike_refused", "lookalike_broken"} | (
            set() if variant in (0, 2) else {"right", "lead"}
        )
        assert set(expected) - set(values) == lacking
        for name, array in values.items():
            assert len(array) == (4 if name.startswith("benign_") else len(expected[name]))
            np.testing.assert_allclose(
                array, expected[name][: len(array)], atol=2e-5, err_msg=f"{variant} {name}"
            )
    assert np.abs(found[1]["margin"] - found[0]["margin"]).min() > 1e-3


def test_lower_precision_changes_weights_alone_and_little(row, tests):
    model = setup.aligned(row.params, row.evidence)
    quick = setup.working(model, "bfloat16")
    assert {p.dtype for p in quick.net.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in model.net.parameters()} == {torch.float32}
    rotary = [m.net.model.rotary_emb.inv_freq for m in (model, quick)]
    assert torch.equal(*rotary)
    exact = outcome.evaluate(model, tests, row.params)
    near = outcome.evaluate(model, tests, cells.params_of(cells.cell(precision="bfloat16")))
    for name in ("margin", "nll", "lead"):
        np.testing.assert_allclose(near[name], exact[name], atol=0.1, err_msg=name)
        assert not (near[name] == exact[name]).all()


def test_training_in_lower_precision_keeps_float32_weights_and_learns_alike(row):
    ends = {}
    for precision in ("float32", "bfloat16"):
        given = cells.params_of(cells.cell(precision=precision))
        model = setup.released(given, 1)
        rows = encode.every(model, texts.part("policy", row.evidence["prepare"], "alignment"))
        states = tuning.kept(setup.working(model, precision), rows, 1)
        settings = Settings(epochs=2, batch=16, rate=2e-3)
        losses = tuning.fit(model, rows, states, settings, linears(model.net, 1), given, seed=3)
        for name, weight in model.net.named_parameters():
            upper = name.startswith(("model.layers.1", "model.layers.2", "model.layers.3", "model.norm"))
            assert weight.dtype == (torch.float32 if upper else getattr(torch, precision)), name
        ends[precision] = losses
    np.testing.assert_allclose(ends["bfloat16"], ends["float32"], rtol=0.02)
    assert ends["bfloat16"] != ends["float32"]
    assert ends["bfloat16"][-1] < 0.95 * ends["bfloat16"][0]


def test_weights_that_have_the_precision_are_held_once(row):
    given = cells.params_of(cells.cell(precision="bfloat16"))
    model = setup.released(given, 2)
    quick = setup.working(model, "bfloat16")
    for (name, one), two in zip(model.net.named_parameters(), quick.net.parameters(), strict=True):
        assert two.dtype == torch.bfloat16
        assert (one.data_ptr() == two.data_ptr()) == (one.dtype == torch.bfloat16), name
    assert {p.dtype for p in model.net.parameters()} == {torch.bfloat16, torch.float32}
    exact = setup.released(cells.params_of(cells.cell()))
    for one, two in zip(exact.net.parameters(), model.net.parameters(), strict=True):
        assert torch.equal(one.to(two.dtype), two)  # as when all were float32 first


def test_fine_tuning_that_does_not_fit_is_one_line_with_the_remedy(row, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB")

    monkeypatch.setattr(tuning, "tune_slices", full)
    with pytest.raises(StageError) as caught:
        cells.run("train", cells.cell(), row.evidence)
    line = str(caught.value)
    assert line.startswith("fine-tuning tiny from layer 1 on does not fit the memory of cpu: raise `start`")
    assert "\n" not in line


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(row):
    again, other = cells.trained(cells.cell()), cells.trained(cells.cell(), seed=1)
    first, second, third = (r.evidence["train"] for r in (row, again, other))
    assert first.results == second.results != third.results
    for name, values in first.read_arrays().items():
        assert (values == second.read_arrays()[name]).all(), name


def test_no_text_is_left(row):
    left = json.dumps([e.results for e in row.evidence.values()])
    pools = texts.pool("policy")
    assert not any(p.text in left or any(a in left for a in p.answers) for p in pools.harmful + pools.benign)
    assert all(a.dtype.kind in "if" for e in row.evidence.values() for a in e.read_arrays().values())


def test_a_first_layer_that_is_not_there_is_named(row):
    with pytest.raises(StageError, match="start 4: tiny has layers 0 to 3; lower it"):
        cells.run("train", cells.cell(start=4), row.evidence)


def test_answers_are_no_longer_than_the_judge_allows():
    assert params.LONGEST == outcomes.LONGEST


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"model": "smollm2-135m"}, "unknown language model 'smollm2-135m' \\(did you mean 'smollm2"),
        ({"texts": "secret"}, "texts"),
        ({"shares": {"esu": 0.5, "euu": 0.4, "ru": 0.2}}, "add to more than 1: lower one"),
        ({"shares": {"esu": -0.1}}, "share esu is -0.1; it must lie between 0 and 1"),
        (
            {"variants": {"esu_20": {"order": "esu", "share": 0.03}}},
            "by its order and share it is called esu_30",
        ),
        ({"variants": {"esu_2000": {"order": "esu", "share": 2}}}, "less than or equal to 1"),
        ({"variants": {"best_20": {"order": "best", "share": 0.02}}}, "order"),
        ({"freezes": {"safety": {"kind": "safety"}}}, "share: safety needs one"),
        ({"freezes": {"safety": {"kind": "safety", "share": 0.01}}}, "below shares.esu 0.02; raise it"),
        ({"freezes": {"free": {"kind": "none", "share": 0.1}}}, "share: none takes none"),
        ({"freezes": {"lower": {"kind": "lower"}}}, "layers: lower needs some"),
        ({"tests": {"tokens": 17}}, "less than or equal to 16"),
        ({"tests": {"answered": 7}}, "more than the benign questions \\(6\\)"),
        ({"tests": {"scored": 7}}, "scored 7: more than there are \\(6\\); lower it"),
        ({"tests": {"few": 6}}, "few 6: more than there are \\(5\\); lower it"),
        ({"probe": {"tokens": [2, 1]}}, "from few to many"),
        ({"probe": {"prompts": 7}}, "more than tests.harmful"),
        ({"alignment": {"rate": 0}}, "greater than 0"),
        ({"budget": 1.5}, "less than or equal to 1"),
    ],
)
def test_bad_input_gets_one_clear_line(change, line):
    with pytest.raises(ValidationError, match=line):
        params.Params.model_validate(cells.cell(**change))
