"""The compression study: parameters that do not fit, networks that are put back, and what counts."""

import numpy as np
import pytest
import torch
from cell import ROOT
from pydantic import ValidationError

from retrace.data.texts import trust, trust_sources
from retrace.data.wheels import Member
from retrace.llm import tiny
from retrace.llm.load import LanguageModel
from retrace.sheet import load_cells, load_study
from retrace.stage import Evidence, EvidenceRow, StageError
from retrace.studies.compression import setup, table
from retrace.studies.compression.compressing import compressed
from retrace.studies.compression.params import Compressor, Params
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
    if not sequential:
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
    ],
)
def test_compressors_that_do_not_fit_are_refused(change, says):
    with pytest.raises(ValidationError, match=says):
        Compressor(**change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"items": {"robustnes": 4}}, "did you mean 'robustness'"),
        ({"model": "tini"}, "did you mean 'tiny'"),
        ({"fixed": {"gptq_4": {"method": "gptq", "bits": 4}}}, "fixed.gptq_4: gptq depends on calibration"),
        ({"configs": {"rtn_4": {"method": "wanda", "keep": "2:4"}}}, "configs.rtn_4: the name is taken"),
        ({"fixed": {"noise_3": {"method": "noise", "like": "rtn"}}}, "noise_3.like"),
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
    monkeypatch.setattr(setup, "prompts", lambda name: [])
    with pytest.raises(StageError, match="256 tokens are wanted and the texts have 0; lower `rows`"):
        setup.calibration(fresh(), params, 0)


def test_an_altered_package_is_one_line(monkeypatch, tmp_path):
    texts = trust_sources.TRUST_TEXTS["bbq"]
    member = Member(texts.members[0].wheel, texts.members[0].path, "0" * 64)
    altered = trust_sources.TrustTexts((member,), texts.rows, texts.licence, texts.upstream)
    monkeypatch.setitem(trust.TRUST_TEXTS, "bbq", altered)
    with pytest.raises(StageError, match=r"BBQ/test.jsonl has SHA-256 305495e58c24, expected 000000000000"):
        trust.bbq(tmp_path)


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
