"""The safety study's table, claims and figures on synthetic evidence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safety_evidence import ANSWERED, EFFECTS, FEW, LAYERS, PARAMS, SCORED, START, N, row

from retrace.claims.judge import judge
from retrace.claims.load import load_claims
from retrace.metrics.unit_groups import GROUPS, Shares
from retrace.studies.safety.composition import bounds, regroup
from retrace.studies.safety.figures.draw import draw
from retrace.studies.safety.figures.plane import edge
from retrace.studies.safety.figures.rows import networks
from retrace.studies.safety.study import STUDY
from retrace.studies.safety.table import roles, table
from retrace.studies.safety.units import Layout, Scored
from retrace.tabled import Tabled

CLAIMS = load_claims(Path(__file__).resolve().parents[2] / "claims/ssah.yaml").claims


@pytest.fixture(scope="module")
def frame():
    return table([row(seed) for seed in (0, 1, 2)]).frame


@pytest.fixture(scope="module")
def verdicts(frame):
    return {record.id: record for record in judge(CLAIMS, frame, "items")}


def test_one_row_an_item_and_every_claims_columns(frame):
    assert not frame.duplicated(["seed", "cell", "condition"]).any()
    counts = frame[frame["seed"] == 1].groupby("type").size()
    assert {kind: counts[kind] for kind in N} == N
    assert counts["network"] == len(EFFECTS)
    assert counts["distance"] == 2 * LAYERS
    for claim in CLAIMS:
        assert not claim.evidence.columns() - set(frame.columns), claim.id


def test_only_answered_prompts_have_keyword_columns(frame):
    for kind in ("harmful", "benign", "lookalike"):
        rows = frame[(frame["type"] == kind) & (frame["seed"] == 0)]
        assert rows["answered"].tolist() == [n < ANSWERED[kind] for n in range(N[kind])]
    harmful = frame[frame["type"] == "harmful"]
    assert harmful[["refused_aligned", "margin_aligned"]].notna().all(axis=None)
    benign = frame[frame["type"] == "benign"]
    assert (benign["benign_refused_aligned"].notna() == benign["answered"]).all()
    assert (benign["benign_refused_esu"].notna().groupby(benign["seed"]).sum() == FEW).all()
    assert (benign["nll_aligned"].notna() == benign["scored"]).all()
    assert benign[benign["seed"] == 0]["scored"].sum() == SCORED
    assert set(harmful["source"]) == {"advbench", "harmbench"}


def test_differences_are_taken_item_by_item(frame):
    harmful = frame[frame["type"] == "harmful"]
    assert np.allclose(harmful["lost_esu"], harmful["margin_aligned"] - harmful["margin_esu_20"])
    assert np.allclose(harmful["gain"], harmful["margin_aligned"] - harmful["margin_released"])
    assert np.allclose(harmful["gained_esu"] + harmful["lost_esu"], harmful["gain"])
    assert np.allclose(harmful["kept_safety"], harmful["margin_tuned_safety"] - harmful["margin_tuned_free"])
    benign = frame[(frame["type"] == "benign") & frame["scored"]]
    assert np.allclose(
        benign["thrice_rise_random_euu"], 3 * (benign["nll_random_70"] - benign["nll_aligned"])
    )
    assert np.allclose(benign["half_rise_random_ru"], benign["rise_matched_ru_150"] / 2)
    neutral = frame[frame["type"] == "neutral"]
    rise = neutral["neutral_nll_esu_20"] - neutral["neutral_nll_aligned"]
    assert np.allclose(neutral["neutral_rise_esu"], rise)
    assert np.allclose(neutral["thrice_neutral_rise_esu"], 3 * rise)
    assert "neutral_rise_tuned_free" not in frame


def test_roles_are_the_variants_nearest_to_the_groups_with_as_many_random_units():
    assert roles(PARAMS) == {
        "esu": "esu_20",
        "euu": "euu_70",
        "ru": "ru_150",
        "random_esu": "random_20",
        "random_euu": "random_70",
        "random_ru": "matched_ru_150",
        "safety": "safety_20",
        "difference": "difference_20",
        "shuffled": "shuffled_20",
        "answers": "answers_20",
        "summed": "summed_150",
    }
    found = roles(PARAMS.model_copy(update={"shares": Shares(esu=0.004, euu=0.13, ru=0.1)}))
    assert found["esu"] == "esu_3"
    assert "random_esu" not in found
    assert found["euu"] == "euu_70"


def test_gaps_are_split_at_the_first_trained_layer(frame):
    probe = frame[frame["type"] == "probe"]
    assert probe["gap_lower_aligned"].to_numpy() == pytest.approx(0, abs=1e-6)
    assert probe["gap_upper_aligned"].to_numpy() == pytest.approx(0.3, abs=1e-6)
    assert probe["gap_aligned"].to_numpy() == pytest.approx(0.3 * (LAYERS - START) / LAYERS, abs=1e-6)
    assert (probe["gap_released"] < 0).all()
    harmful = frame[(frame["type"] == "harmful") & (frame["seed"] == 0)]
    first = probe[probe["seed"] == 0]
    assert first["margin_aligned"].tolist() == harmful["margin_aligned"].tolist()[: len(first)]


def test_flows_add_up_and_only_trained_layers_change(frame):
    flow = frame[frame["type"] == "flow"].iloc[0]
    for prefix, total in (("flow", 1), ("aligning", 1), ("trained", 1)):
        assert sum(flow[f"{prefix}_{a}_{b}"] for a in GROUPS for b in GROUPS) == pytest.approx(total)
    for group in GROUPS:
        assert flow[f"flow_{group}"] == pytest.approx(flow[f"share_{group}_aligned"])
        into = sum(flow[f"flow_{a}_{group}"] for a in GROUPS)
        assert into == pytest.approx(flow[f"share_{group}_tuned_free"])
        assert flow[f"aligning_{group}"] == pytest.approx(flow[f"share_{group}_released"])
    moved = {p: 1 - sum(flow[f"{p}_{g}_{g}"] for g in GROUPS) for p in ("flow", "trained")}
    assert moved["trained"] * (LAYERS - START) / LAYERS == pytest.approx(moved["flow"])
    assert moved["flow"] > 0
    assert flow["correlation_halves_aligned"] > flow["correlation_aligned"] > 0.5
    assert flow["loss_aligned"] == 1


@pytest.mark.parametrize("within", [False, True])
def test_a_network_regrouped_by_its_own_bounds_keeps_its_groups(within):
    rng = np.random.default_rng(1)
    units = Layout(3, 40, 20, 1)
    s, u = rng.normal(size=(2, units.count))
    module = units.module if within else None
    network = Scored(units, s, u, np.stack([s, u]), None, np.stack([s, u]), module, None)
    shares = Shares(0.1, 0.1, 0.2)
    groups = network.groups(shares)
    assert (regroup(network, bounds(network, shares)) == groups).all()
    raised = replace(network, safety=s + 10)
    assert (regroup(raised, bounds(network, shares)) == GROUPS.index("esu")).all()


def test_claims_tell_the_built_in_effects_and_their_controls_fail(verdicts):
    for name in (
        "few-units-carry-refusal",
        "few-units-carry-refusals",
        "safety-rows-find-them",
        "held-out-source",
        "utility-units-carry-utility",
        "redundant-units-are-free",
        "redundant-units-spare-refusal",
        "freezing-keeps-margin",
        "freezing-beats-random",
        "budget-reaches-safety",
        "aligned-points-to-refusal",
        "alignment-turns-the-direction",
    ):
        assert verdicts[name].verdict == "supported", (name, verdicts[name].reason)
        assert verdicts[name].control.passes is False
    assert verdicts["few-units-carry-refusal"].measured == pytest.approx(2.5 / 3, abs=0.03)
    assert verdicts["freezing-keeps-margin"].measured == pytest.approx(1 - 0.15 * 2, abs=0.03)


def test_every_control_and_every_measurement_is_there(verdicts):
    for name, record in verdicts.items():
        assert record.verdict != "not-run", (name, record.reason)
        assert record.control.measured is not None, (name, record.control)


def test_a_loss_of_refusals_stands_beside_broken_answers():
    def columns(change):
        return [*(change.of if isinstance(change.of, list) else [change.of or ""])]

    for claim in CLAIMS:
        evidence = claim.evidence
        if evidence.of[0].startswith("refused_") and claim.expect.low > -np.inf and evidence.versus:
            shown = [c for baseline in claim.baselines for c in columns(baseline)]
            assert any(c.startswith("broken_") for c in shown), claim.id


def test_the_paper_gets_the_figures_it_declares(frame):
    assert set(draw("ssah", Tabled(frame), {})) == {figure.name for figure in STUDY.figures}


def test_a_source_that_is_not_there_leaves_only_its_claim_unjudged():
    rows = [row(seed, "tiny-policy", ("policy",)) for seed in (0, 1)]
    found = {record.id: record.verdict for record in judge(CLAIMS, table(rows).frame, "items")}
    assert [name for name, verdict in found.items() if verdict == "not-run"] == ["held-out-source"]


def test_networks_of_an_order_stand_from_few_units_to_many(frame):
    shown = networks(frame.sample(frac=1, random_state=0))
    for _, rows in shown[shown["order"] != ""].groupby(["seed", "order"]):
        assert rows["share"].is_monotonic_increasing
    families = shown["family"].drop_duplicates().tolist()
    assert families == ["whole", "tuned", "budget", "esu", "euu", "ru", "matched_ru", "random", "rivals"]
    first = shown[shown["seed"] == 0]["network"].tolist()
    assert first[:4] == ["released", "aligned", "tuned_free", "tuned_safety"]
    assert edge(frame) == pytest.approx(frame.loc[frame["network"] == "released", "nll"].max() + 0.5)
