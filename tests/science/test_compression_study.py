"""The compression study: parameters that do not fit, networks that are put back, and what counts."""

import numpy as np
import pytest
import torch
from cell import ROOT
from pydantic import ValidationError
from scipy.stats import hypergeom

from retrace.compress.weights.settings import Compressor
from retrace.data.texts import trust, trust_sources
from retrace.data.wheels import Member
from retrace.llm import neutral, tiny
from retrace.llm.compressing import compressed, in_turn
from retrace.llm.judges.trust import ethics, registry, shift
from retrace.llm.load import LanguageModel
from retrace.seeds import generator
from retrace.sheet import load_cells, load_study
from retrace.stage import Evidence, EvidenceRow, StageError
from retrace.studies.compression import setup, table
from retrace.studies.compression.params import Params
from retrace.studies.compression.work import work

ROWS = torch.randint(0, 250, (8, 16), generator=torch.Generator().manual_seed(0)).tolist()
CONFIGS = {
    "gptq_3": Compressor(method="gptq", bits=3, group=16),
    "gptq_4": Compressor(method="gptq", bits=4, group=16, act_order=True),
    "awq_3": Compressor(method="awq", bits=3, group=16),
    "rtn_3": Compressor(method="rtn", bits=3, group=16),
    "nf4": Compressor(method="nf4", group=16),
    "hqq_4": Compressor(method="hqq", bits=4, group=16),
    "wanda_24": Compressor(method="wanda", keep="2:4"),
    "sparsegpt_24": Compressor(method="sparsegpt", keep="2:4"),
    "sparsegpt_50": Compressor(method="sparsegpt", share=0.5),
    "magnitude_50": Compressor(method="magnitude", share=0.5),
    "random_24": Compressor(method="random", keep="2:4"),
    "noise_3": Compressor(method="noise", like="rtn_3"),
}


@pytest.fixture(scope="module")
def params():
    cell = load_cells(load_study("compression"), "smoke", ROOT)[0]
    return Params(**cell.params)


def fresh():
    return LanguageModel("tiny", tiny.network(1), tiny.tokenizer(), "")


@pytest.mark.parametrize("sequential", [False, True])
def test_every_compressor_gives_every_matrix_and_the_network_stays(sequential):
    model = fresh()
    before = {name: p.detach().clone() for name, p in model.net.named_parameters()}
    weights, errors = compressed(model, ROWS, CONFIGS, 0, sequential)
    for name, values in model.net.named_parameters():
        assert torch.equal(values, before[name])
    for name in CONFIGS:
        assert len(weights[name]) == len(errors[name]) == 4 * 7
        assert all(not torch.equal(new, before[at]) for at, new in weights[name].items())
        assert 0 < np.mean(errors[name]) < 2
    masks = {name for name in errors if name not in CONFIGS}
    assert masks == {"sparsegpt_24_masks", "sparsegpt_50_masks"}
    for name in masks:
        assert len(errors[name]) == 4 * 7
    if not sequential:
        assert np.mean(errors["sparsegpt_24"]) < np.mean(errors["sparsegpt_24_masks"])
        assert errors["noise_3"] == pytest.approx(errors["rtn_3"], rel=1e-4)
        assert np.mean(errors["gptq_3"]) < np.mean(errors["rtn_3"])
        assert np.mean(errors["sparsegpt_24"]) < np.mean(errors["wanda_24"]) < np.mean(errors["random_24"])


def test_one_shot_statistics_differ_little_from_propagated_ones():
    some = {name: CONFIGS[name] for name in ("gptq_3", "sparsegpt_24")}
    model = fresh()
    dense, ids = model.net(torch.tensor(ROWS)).logits, torch.tensor(ROWS)
    lost = {}
    for sequential in (False, True):
        weights, _ = compressed(model, ROWS, some, 0, sequential)
        for name in some:
            twin = fresh()
            setup.overlay(twin, weights[name])
            with torch.no_grad():
                lost[name, sequential] = float((twin.net(ids).logits - dense).square().mean())
    for name in some:
        assert lost[name, True] == pytest.approx(lost[name, False], rel=0.5)
        assert lost[name, True] != lost[name, False]


def test_stacked_compressors_equal_single_ones():
    both, _ = compressed(fresh(), ROWS, CONFIGS, 0)
    for name in ("gptq_3", "awq_3", "sparsegpt_50", "magnitude_50"):
        alone, _ = compressed(fresh(), ROWS, {name: CONFIGS[name]}, 0)
        for at, values in alone[name].items():
            torch.testing.assert_close(values, both[name][at], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("together", [1, 2, 5])
def test_compressors_in_few_passes_equal_those_of_one(together):
    both, errors = compressed(fresh(), ROWS, CONFIGS, 0)
    model = fresh()
    before = {name: p.detach().clone() for name, p in model.net.named_parameters()}
    seen = []
    for name, lost in in_turn(model, ROWS, CONFIGS, 0, together=together):
        seen.append(name)
        now = dict(model.net.named_parameters())
        for at, values in both[name].items():
            torch.testing.assert_close(now[at].data, values, rtol=1e-5, atol=1e-6)
        for at, values in lost.items():
            assert values == pytest.approx(errors[at], rel=1e-3)
    assert seen == list(CONFIGS)
    for name, values in model.net.named_parameters():
        assert torch.equal(values, before[name])


def test_what_a_compressor_draws_is_its_own():
    alone = {name: CONFIGS[name] for name in ("rtn_3", "noise_3")}
    both, _ = compressed(fresh(), ROWS, {**alone, "random_24": CONFIGS["random_24"]}, 0)
    few, _ = compressed(fresh(), ROWS, alone, 0, wanted=["noise_3"])
    assert list(few) == ["noise_3"]
    other, _ = compressed(fresh(), ROWS, alone, 1, wanted=["noise_3"])
    for at, values in few["noise_3"].items():
        torch.testing.assert_close(values, both["noise_3"][at], rtol=1e-5, atol=1e-6)
        assert not torch.equal(values, other["noise_3"][at])


def test_a_network_is_put_back_when_its_reader_leaves():
    model = fresh()
    before = {name: p.detach().clone() for name, p in model.net.named_parameters()}
    networks = in_turn(model, ROWS, {"rtn_3": CONFIGS["rtn_3"]}, 0)
    next(networks)
    assert any(not torch.equal(values, before[name]) for name, values in model.net.named_parameters())
    networks.close()
    for name, values in model.net.named_parameters():
        assert torch.equal(values, before[name])


def test_few_compressors_at_once_need_less_memory():
    cell = load_cells(load_study("compression"), "gpu", ROOT)[0]
    needed = {
        together: work("prepare", {**cell.params, "together": together}, "cpu").memory
        for together in (None, 2, 1)
    }
    weights = 2 * 6.98e9
    assert needed[None] - needed[2] == pytest.approx(10 * weights)
    assert needed[2] - needed[1] == pytest.approx(weights)
    assert cell.params["together"] == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"method": "gptq"}, "method gptq: give `bits`"),
        ({"method": "wanda"}, "give one of `keep` and `share`"),
        ({"method": "wanda", "keep": "2:4", "share": 0.5}, "give one of `keep` and `share`"),
        ({"method": "wanda", "keep": "4:2"}, "such as 2:4"),
        ({"method": "rtn", "bits": 4, "share": 0.5}, "give neither"),
        ({"method": "rtn", "bits": 1}, "bits 1: must be 2 to 8"),
        ({"method": "awq", "bits": 4}, "method awq: give `group`"),
        ({"method": "noise"}, "method noise: give `like`"),
        (
            {"method": "sparsegpt", "keep": "1:3"},
            "1:3: SparseGPT walks in parts of 32 inputs, which 3 does not",
        ),
        ({"method": "sparsegpt", "keep": "32:64"}, "take a pattern of 2, 4, 8, 16, 32"),
    ],
)
def test_compressors_that_do_not_fit_are_refused(change, says):
    with pytest.raises(ValidationError, match=says):
        Compressor(**change)


def test_other_pruners_take_patterns_that_no_walk_cuts():
    assert Compressor(method="wanda", keep="1:3").keep == "1:3"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"items": {"robustnes": 4}}, "did you mean 'robustness'"),
        ({"items": {"knowledge": 49}, "gate": {}}, "items.knowledge 49: there are 48 pairs; lower it"),
        ({"items": {"ethics": 99}, "gate": {}}, "items.ethics 99: there are 48 pairs; lower it"),
        (
            {"items": {"ethics": 40}, "gate": {"ethics": 9}},
            "gate.ethics 9: there are 48 pairs and `items` takes 40",
        ),
        ({"gate": {"etics": 9}}, "gate.*did you mean 'ethics'"),
        ({"model": "tini"}, "did you mean 'tiny'"),
        ({"fixed": {"gptq_4": {"method": "gptq", "bits": 4}}}, "fixed.gptq_4: gptq depends on calibration"),
        ({"configs": {"rtn_4": {"method": "wanda", "keep": "2:4"}}}, "configs.rtn_4: the name is taken"),
        ({"fixed": {"noise_3": {"method": "noise", "like": "rtn"}}}, "fixed.noise_3.like"),
        (
            {"fixed": {"noise_3": {"method": "noise", "like": "noise_3"}}},
            "noise_3.like: .* noise itself",
        ),
        ({"fixed": {"a_masks": {"method": "rtn", "bits": 4}}}, "fixed.a_masks: names that end in _masks"),
    ],
)
def test_cells_that_do_not_fit_are_refused(params, change, says):
    with pytest.raises(ValidationError, match=says):
        Params(**{**params.model_dump(), **change})


def test_a_model_that_is_not_aligned_leaves_scratch_and_stays_as_it_is(params):
    released = params.model_copy(update={"alignment": None})
    weights, losses = setup.align(released)
    assert weights
    assert losses == []
    before = dict(setup.dense(released, {}).net.named_parameters())
    for name, values in setup.dense(released, weights).net.named_parameters():
        assert torch.equal(values, before[name])


def test_a_calibration_that_the_texts_do_not_fill_is_one_line(params, monkeypatch):
    monkeypatch.setattr(neutral, "prompts", lambda name: [])
    with pytest.raises(StageError, match="256 tokens are wanted and the texts have 0; lower `rows`"):
        setup.calibration(fresh(), params, 0)


def test_an_altered_package_is_one_line(monkeypatch, tmp_path):
    texts = trust_sources.TRUST_TEXTS["bbq"]
    member = Member(texts.members[0].wheel, texts.members[0].path, "0" * 64)
    altered = trust_sources.TrustTexts((member,), texts.rows, texts.licence, texts.upstream)
    monkeypatch.setitem(trust.TRUST_TEXTS, "bbq", altered)
    with pytest.raises(StageError, match=r"BBQ/test.jsonl has SHA-256 305495e58c24, expected 000000000000"):
        trust.bbq(tmp_path)


def test_alignment_learns_from_other_requests_than_are_asked(params, monkeypatch):
    seen, row = [], setup._row

    def watched(model, prompt, number):
        seen.append(prompt.text)
        return row(model, prompt, number)

    monkeypatch.setattr(setup, "_row", watched)
    about = params.alignment.model_copy(update={"lookalike": registry.LEARNT})
    setup.align(params.model_copy(update={"alignment": about}))
    assert not set(seen) & {p.text for p in registry.tested()}
    assert set(seen) >= {p.text for p in registry.learnt()}


@pytest.mark.parametrize(("name", "old"), [("ethics", 8), ("knowledge", 5)])
def test_as_many_judged_pairs_as_the_sheet_says_are_those_of_the_pilots(name, old):
    pool, piloted = {
        "ethics": (ethics.ACTS, ethics.PILOTED),
        "knowledge": (shift.QUESTIONS, shift.PILOTED),
    }[name]
    cell = load_cells(load_study("compression"), "laptop", ROOT)[0]
    [one] = registry.dimensions(
        {name: cell.params["items"][name]}, [], lambda key: generator(0, "compression", "items", key), 60
    )
    asked = " ".join(probe.question for probe in one.probes)
    assert sum(all(text in asked for text in pair) for pair in pool[:piloted]) == old


def evidence(params, scores):
    """A cell's evidence in which a network is right on the first so many of ten toxicity items."""
    arrays = {"label/toxicity": np.ones(10, dtype=bool), "label/ethics": np.tile([True, False], 10)}
    for name, count in scores.items():
        arrays[f"{name}/toxicity"] = np.where(np.arange(10) < count, 1.0, -1.0)
        arrays[f"{name}/ethics"] = np.ones(20)  # a constant answer
        arrays[f"{name}/nll"] = np.full(3, 2.0 + count)
        arrays[f"error/{name}"] = np.full(28, 0.1 * count)
    judged = {
        "toxicity": {"rule": "sign", "chance": 0.5, "proxy": "", "items": 10},
        "ethics": {"rule": "pair", "chance": 0.5, "proxy": "", "items": 20},
    }
    prepared = Evidence({"dimensions": judged, "scoring": "likelihood"}, read_arrays=lambda: arrays)
    return EvidenceRow("cell", 0, params, {"prepare": prepared, "measure": Evidence({})})


def test_only_what_the_dense_network_can_do_counts(params):
    made = table.table([evidence(params, {"dense": 10, "gptq_3": 4, "sparsegpt_24": 6})])
    assert made.pictures.measured == {"cell": ("toxicity",)}
    assert made.pictures.unmeasured == {"cell": ("ethics",)}
    networks = made.frame[made.frame["type"] == "network"].set_index("network")
    assert networks.loc["gptq_3", "trust"] == 0.4
    assert networks.loc["gptq_3", "constant_ethics"] == 1
    assert networks.loc["gptq_3", "published"] == 58.1
    items = made.frame[made.frame["type"] == "item"]
    assert items[items["measured"]]["good_gptq_3"].mean() == pytest.approx(0.4)
    assert items[items["dimension"] == "ethics"]["good_dense"].sum() == 0  # ties are wrong


def test_a_dense_network_at_chance_measures_nothing(params):
    made = table.table([evidence(params, {"dense": 8, "gptq_3": 4})])  # 8 of 10: p = 0.055
    assert made.pictures.measured == {"cell": ()}
    assert made.frame["trust"].isna().all()


def with_utility(params, scores, seed=0):
    """As `evidence`, with ten items of sentiment, in which networks are right in two fewer each."""
    row = evidence(params, scores)
    arrays = row.evidence["prepare"].read_arrays()
    labels = np.tile([True, False], 10)
    arrays["label/benign"] = labels
    for n, name in enumerate(scores):
        arrays[f"{name}/benign"] = np.where(np.arange(20) < 20 - 2 * n, 1, -1) * np.where(labels, 1.0, -1.0)
    judged = {"rule": "median", "chance": 0.5, "proxy": "", "items": 20}
    row.evidence["prepare"].results["dimensions"]["benign"] = judged
    return EvidenceRow("cell", seed, row.params, row.evidence)


@pytest.mark.parametrize(("right", "clear"), [(12, False), (14, True)])
def test_the_gate_of_a_median_rule_is_hypergeometric(params, right, clear):
    row = evidence(params, {"dense": 10})
    arrays = row.evidence["prepare"].read_arrays()
    labels = np.tile([True, False], 8)
    signs = np.where(labels, 1.0, -1.0) * np.where(np.arange(16) < right, 1, -1)
    arrays |= {"label/ethics": labels, "dense/ethics": signs}
    row.evidence["prepare"].results["dimensions"]["ethics"]["rule"] = "median"
    made = table.table([row])
    assert ("ethics" in made.pictures.measured["cell"]) is clear  # binomial: 12 of 16 have p = 0.038
    p = made.frame["gate_ethics"].dropna()
    assert p.tolist() == pytest.approx([hypergeom(16, 8, 8).sf(right // 2 - 1)])


def test_the_gate_looks_at_items_of_its_own(params):
    row = evidence(params, {"dense": 10, "gptq_3": 4})
    arrays = row.evidence["prepare"].read_arrays()
    arrays |= {"gate/toxicity": np.tile([1.0, -1.0], 5), "gate_label/toxicity": np.ones(10, dtype=bool)}
    assert table.table([row]).pictures.measured == {"cell": ()}


def test_items_add_up_to_what_utility_hides(params):
    frame = table.table([with_utility(params, {"dense": 10, "gptq_3": 4})]).frame
    network = frame[(frame["type"] == "network") & (frame["network"] == "gptq_3")].iloc[0]
    items = frame[(frame["type"] == "item") & (frame["measured"] == True)]  # noqa: E712
    by_items = items.groupby("dimension")["hidden_gptq_3"].mean().mean()
    assert network["hidden"] == pytest.approx(-0.6 + 0.1)
    assert by_items == pytest.approx(network["hidden"])


def test_without_utility_nothing_is_hidden(params):
    frame = table.table([evidence(params, {"dense": 10, "gptq_3": 4})]).frame
    assert frame.query("type == 'item'")["hidden_gptq_3"].isna().all()


def test_spread_is_the_distance_from_the_other_seeds(params):
    rows = [with_utility(params, {"dense": 10, "gptq_3": n}, seed) for seed, n in enumerate((2, 5, 5))]
    frame = table.table(rows).frame
    own = frame[(frame["type"] == "network") & (frame["network"] == "gptq_3")].sort_values("seed")
    assert own["spread"].tolist() == pytest.approx([0.3, 0.15, 0.15])  # from the mean of all: 0.2, 0.1, 0.1
    assert table.table(rows[:1]).frame["spread"].isna().all()


def test_the_masks_of_sparsegpt_without_updates_are_a_control_that_can_pass(params):
    row = evidence(params, {"dense": 10, "sparsegpt_24": 4, "wanda_24": 5})
    arrays = row.evidence["prepare"].read_arrays()
    for size, expected in ((0.45, 1.0), (0.6, 0.0)):
        arrays["error/sparsegpt_24_masks"] = np.full(28, size)
        matrices = table.table([row]).frame.query("type == 'matrix'")
        assert matrices["sparsegpt_below_wanda"].mean() == 1
        assert matrices["masks_below_wanda"].mean() == expected


def test_pairs_with_continuations_of_their_own_have_no_constant_answer(params):
    made = table.table([evidence(params, {"dense": 10})]).frame
    assert "constant_toxicity" not in made
    row = evidence(params, {"dense": 10})
    row.evidence["prepare"].results["scoring"] = "generation"
    row.evidence["prepare"].read_arrays()["dense/toxicity"] = np.ones(10, dtype=np.int8)
    made = table.table([row]).frame.query("type == 'network'").iloc[0]
    assert made["constant_toxicity"] == 1


def test_answers_in_words_count_refusals_apart(params):
    made = evidence(params, {"dense": 10})
    arrays = made.evidence["prepare"].read_arrays()
    arrays["dense/toxicity"] = np.array([1, 1, 1, 1, 0, 2, 2, 3, 1, 1], dtype=np.int8)
    arrays["dense/ethics"] = np.array([1, 0] * 9 + [1, 1], dtype=np.int8)
    made.evidence["prepare"].results["scoring"] = "generation"
    row = table.table([made]).frame.query("type == 'network'").iloc[0]
    assert row["score_toxicity"] == 0.6
    assert (row["refused_toxicity"], row["unreadable_toxicity"]) == (0.2, 0.1)
    assert row["score_ethics"] == 0.9


def test_work_is_counted_at_every_scale():
    study = load_study("compression")
    for scale in ("smoke", "laptop", "gpu", "paper"):
        for cell in load_cells(study, scale, ROOT):
            for verb in ("prepare", "measure"):
                assert work(verb, cell.params, "cpu").amounts["flop"] > 0
    with pytest.raises(ValueError, match="no stage train"):
        work("train", {}, "cpu")
