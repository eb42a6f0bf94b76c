"""The memory study on a few steps: every stage, the table, all figures, censoring, bad input."""

import cell as cells
import numpy as np
import pytest
import torch

from retrace.claims.load import load_claims
from retrace.data.sequences.reviews import pack
from retrace.metrics.sequence_costs import step_cost
from retrace.nets.memory.registry import BUILDERS
from retrace.stage import Evidence, StageError
from retrace.studies.memory.figures.draw import draw
from retrace.studies.memory.model import NETWORKS
from retrace.studies.memory.params import Params
from retrace.studies.memory.progress import Run, horizons, progress, reached
from retrace.studies.memory.setup import restore
from retrace.studies.memory.study import STUDY
from retrace.studies.memory.table import table
from retrace.training.sequences import losses

SHEET = cells.sheet("memory")
FEW = {"steps": 4, "tests": 2, "window": 2}
SMALL = {"copy": FEW, "cut": FEW, "digits": {"batch": 600, "window": 2}, "text": {}}
METER = {"method": "constant", "cpu_seconds": 1e4, "kwh": 1.0, "factor_kg_per_kwh": 0.5}


def cell(name, **change):
    own = SHEET["scales"]["smoke"]["cells"][name]
    return {**SHEET["base"], **SHEET["scales"]["smoke"]["base"], **own, **SMALL[name], **change}


def data(name):
    if name == "digits":
        return cells.digits()
    rng = np.random.default_rng(0)
    images = pack(["".join(rng.choice(list("abc de"), 40)) + "." for _ in range(300)], [0.0] * 300)
    return Evidence({"classes": 81}, read_arrays=lambda: {"x": images.x, "y": images.y})


def stages(name, seed=0, **change):
    return cells.row("memory", name, cell(name, **change), seed, data(name), meter=METER)


@pytest.fixture(scope="module")
def rows():
    text = {"kind": "characters", "budget": 2000, "test": 1000}
    return [stages("copy"), stages("digits"), stages("text", task=text), stages("cut")]


def test_table_has_the_columns_of_every_claim(rows):
    tabled = table(rows)
    frame = tabled.frame
    assert not frame.duplicated(["seed", "cell", "condition"]).any()
    for claim in load_claims(cells.ROOT / "claims/armin.yaml").claims:
        assert claim.evidence.columns() <= set(frame.columns), claim.id
        for gate in claim.gate:
            assert claim.evidence.one_side().varied(gate).columns() <= set(frame.columns), claim.id
    assert set(frame.loc[frame["excess"].notna(), "cell"]) == {"text", "cut"}
    assert frame["excess"].notna().sum() == 5 + 5
    assert (frame.loc[frame["condition"] == "lstm_t50", "excess"] == 0).all()
    whole = frame[(frame["cell"] == "cut") & frame["condition"].str.endswith("_whole")]
    assert (whole["excess"] == 0).all()
    assert set(whole["truncation"]) == {8}  # a copy of 3 vectors has 8 steps
    assert {"kwh", "log2_kwh", "log2_ms", "log2_cpu"} <= set(tabled.untested)
    assert "log2_work" not in tabled.untested  # counted


def test_claims_speak_of_networks_and_cells_that_the_laptop_has():
    laptop = SHEET["scales"]["laptop"]["cells"]
    for claim in load_claims(cells.ROOT / "claims/armin.yaml").claims:
        versus, control = claim.evidence.versus, claim.control
        gates = [gate.where for gate in claim.gate]
        for where in (claim.evidence.where, versus.where, control.where, *gates):
            assert set(claim.evidence.cells) <= set(laptop), claim.id
            if where is None or "condition" not in where:
                continue
            names = where["condition"] if isinstance(where["condition"], list) else [where["condition"]]
            for name in names:
                assert any(name in laptop[c]["models"] for c in claim.evidence.cells), (claim.id, name)


def test_the_paper_gets_the_figures_it_declares(rows):
    assert set(draw("armin", table(rows), {})) == {figure.name for figure in STUDY.figures}


@pytest.mark.parametrize("name", ["armin_hard", "random_address"])
def test_same_seed_same_results_and_networks_do_not_disturb_each_other(rows, name):
    models = {name: cell("copy")["models"][name]}
    alone = stages("copy", models=models)
    for verb in ("train", "measure"):
        both = [r.evidence[verb].results["models"][name] for r in (rows[0], alone)]
        assert both[0] == both[1]
    reads = [r.evidence["measure"].read_arrays()[name] for r in (rows[0], alone)]
    assert np.array_equal(*reads)
    other = stages("copy", seed=1, models=models)
    assert other.evidence["train"].results != alone.evidence["train"].results


@pytest.mark.parametrize("name", ["armin_soft", "ntm", "awta"])
def test_costs_are_those_of_plain_steps(rows, name):
    """Whether a network's scan is fused must not change what is counted."""
    evidence = rows[0].evidence
    data, steps = evidence["prepare"].read_scratch(), evidence["prepare"].results["steps"]
    longest = max((key for key in steps if key.startswith("in")), key=steps.get)
    x, y = (torch.from_numpy(data[f"{longest}.{axis}"]) for axis in "xy")
    net = restore(rows[0].params.models[name], evidence["prepare"], 0).train()
    net.fused = False
    cost = step_cost(lambda: losses(net(x)[0], y, "bits")[0], [*net.parameters(), x, y])
    found = evidence["measure"].results["models"][name]
    assert found["operations"] == cost.operations
    assert found["activation_bytes"] == cost.activation_bytes


def test_costs_of_the_published_sizes_are_counted_beside_those_trained(rows):
    """By their own sizes, whatever was trained: the rivals' memories have 128 slots, not 24."""
    row = rows[0]
    found = row.evidence["measure"].results["published"]
    assert set(found) == set(row.params.counted.models) < set(row.params.models)
    net = restore(row.params.counted.models["ntm"], row.evidence["prepare"], 0).train()
    net.fused = False
    x, y = torch.zeros(4, 1, 6), torch.zeros(4, 1, 4)
    cost = step_cost(lambda: losses(net(x)[0], y, "bits")[0], [*net.parameters(), x, y])
    assert found["ntm"]["operations"] == cost.operations
    frame = table(rows).frame.set_index(["cell", "condition"])
    counted = frame["log2_operations_published"].dropna()
    assert set(counted.index) == {("copy", name) for name in found}
    assert counted["copy", "ntm"] == np.log2(cost.operations / 4)
    assert frame.loc[("copy", "ntm"), "log2_operations"] != counted["copy", "ntm"]


def test_claims_on_counted_costs_rest_on_the_published_sizes():
    claims = {claim.id: claim for claim in load_claims(cells.ROOT / "claims/armin.yaml").claims}
    counted = SHEET["scales"]["laptop"]["cells"]["copy"]["counted"]["models"]
    assert counted == SHEET["scales"]["paper"]["cells"]["copy"]["models"]
    for name, column in (("cheaper-step-counted", "operations"), ("smaller-activations", "activation")):
        claim = claims[name]
        assert claim.evidence.of == [f"log2_{column}_published"]
        assert claim.expect.high == -0.5
        assert claim.baselines[-1].of == f"log2_{column}"
        assert set(claim.evidence.versus.where["condition"]) < set(counted)


def test_networks_take_turns_in_rounds_of_timing(rows):
    row = rows[0]
    timing = row.evidence["train"].timing
    assert {name: len(paces) for name, paces in timing["paces"].items()} == dict.fromkeys(
        row.params.models, 3
    )
    timing["paces"]["lstm"][:] = [2.0, 50.0, 4.0]  # one round was disturbed
    frame = table(rows).frame.set_index(["cell", "condition"])
    assert frame.loc[("copy", "lstm"), "ms_step"] == pytest.approx(4)
    assert frame.loc[("copy", "lstm"), "cpu_seconds"] == pytest.approx(4 * 0.004)
    clock = rows[1].evidence["train"].timing["models"]["lstm"]["cpu_seconds"][-1]
    assert frame.loc[("digits", "lstm"), "cpu_seconds"] == clock  # no rounds there


def test_rounds_of_timing_change_no_result():
    models = {"armin_hard": cell("copy")["models"]["armin_hard"]}
    with_, without = (stages("copy", models=models, rounds=n).evidence["train"] for n in (3, 0))
    assert with_.results == without.results
    assert all(np.array_equal(a, without.read_scratch()[k]) for k, a in with_.read_scratch().items())
    assert without.timing["paces"] == {"armin_hard": []}


def test_the_gradient_of_the_cut_cell_never_reaches_what_is_asked_for():
    for scale in ("smoke", "laptop", "gpu"):
        chosen = SHEET["scales"][scale]["cells"]["cut"]
        behind = chosen["task"]["low"] + 1  # steps from a vector to its answer
        reach = max(m.get("truncation", 0) for m in chosen["models"].values()) - 1
        assert 0 < reach < behind


def test_reads_are_shares_of_slots(rows):
    reads = rows[0].evidence["measure"].read_arrays()
    assert set(reads) == {"input", *(n for n in rows[0].params.models if n != "lstm")}
    assert np.allclose(reads["armin_soft"].astype(float).sum(1), 1, atol=1e-2)
    assert set(np.unique(reads["armin_hard"])) == {0, 1}


LEVELS = (0.2, 0.1, 0.01)


def run(errors, ms=100, operations=4):
    """A training with this learning curve, a window of 10 steps."""
    steps = [10 * (i + 1) for i in range(len(errors))]
    return Run(steps, errors, [n * ms / 1000 for n in steps], operations)


def columns(own, *others):
    return progress(own, LEVELS, 30, horizons([own, *others], LEVELS[-1]))


def test_a_run_that_never_arrives_is_censored_at_the_cap():
    row = columns(run([0.3, 0.15, 0.15]))
    assert (row["steps_loose"], row["steps_middle"], row["steps_strict"]) == (20, 30, 30)
    assert (row["censored_loose"], row["censored_middle"], row["censored_strict"]) == (False, True, True)
    assert row["log2_steps"] == pytest.approx(np.mean(np.log2([20, 30, 30])))
    assert (row["cpu_loose"], row["cpu_strict"], row["solved"]) == (2, 3, 0)
    assert row["area"] == pytest.approx(0.2)
    assert row["log2_work"] == pytest.approx(np.mean(np.log2([80, 120, 120])))


def test_a_run_that_stops_early_holds_its_last_error():
    row = columns(run([0.3, 0.009]))
    assert (row["steps_strict"], row["solved"], row["cpu_strict"]) == (20, 1, 2)
    assert row["area"] == pytest.approx(0.106)


def test_a_longer_run_counts_as_censored_in_steps_but_not_in_seconds():
    row = columns(run([0.3, 0.15, 0.15, 0.0]))
    assert (row["steps_strict"], row["censored_strict"], row["cpu_strict"]) == (30, True, 4)
    assert row["area"] == pytest.approx(0.2)


def test_failing_cheaply_is_no_cheaper_than_failing_dearly():
    cheap, dear = run([0.5, 0.5, 0.5], ms=1, operations=2), run([0.5, 0.5, 0.5])
    assert horizons([cheap, dear, run([0.0])], 0.01) == (pytest.approx(0.03), 60)
    first, second = columns(cheap, dear), columns(dear, cheap)
    assert first["log2_cpu"] == second["log2_cpu"]
    assert first["log2_work"] == second["log2_work"]
    late = columns(run([0.5, 0.5, 0.0]), cheap)
    assert late["cpu_strict"] == pytest.approx(0.03)


def test_without_a_failure_there_is_no_horizon():
    assert horizons([run([0.0])], 0.01) == (np.inf, np.inf)


def test_level_is_reached_at_the_first_window_that_is_low_enough():
    assert reached([0.3, 0.1, 0.2, 0.05], 0.1) == 1
    assert reached([0.3], 0.1) is None


def test_the_sheet_knows_every_network():
    assert set(NETWORKS) == set(BUILDERS)


NET = {"network": "armin-soft", "hidden": 8, "slots": 12, "width": 4}
PIXELS = {"task": {"kind": "pixels", "epochs": 1}, "dataset": "digits"}
TEXT = {"kind": "characters", "budget": 1000}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"task": {"kind": "copi"}}, "copi"),
        ({"models": {"a": {**NET, "network": "armin-sof"}}}, "did you mean 'armin-soft'"),
        (
            {"models": {"a": {**NET, "slots": 6}}},
            "up to 10 steps do not fit into 6 slots; .* overwrite: true",
        ),
        ({**PIXELS, "models": {"a": {**NET, "truncation": 5}}}, "the task pixels takes no truncation"),
        ({"drop": 1.0}, "less than 1"),
        ({"batch": 0}, "greater than or equal to 1"),
        ({"truncation": 0}, "greater than or equal to 1"),
        ({"dataset": "digits"}, "drawn at random, say null"),
        ({"task": {"kind": "pixels", "epochs": 1}, "dataset": "digit"}, "did you mean 'digits'"),
        ({"task": TEXT, "dataset": "reviews"}, "needs a truncation"),
        ({"task": TEXT, "dataset": "reviews", "truncation": 5, "models": {"a": NET}}, "must overwrite"),
        ({"task": {"kind": "copy", "low": 4, "high": 2}}, "lengths 4 to 2"),
        ({"task": {"kind": "sort", "items": 3, "answers": 4}}, "only 3 items"),
        ({"levels": [0.1, 0.2, 0.01]}, "easiest first"),
        ({"kappa": [0, 1, 1, 5]}, "first > 0"),
    ],
)
def test_cells_that_cannot_work_are_refused_at_planning(change, says):
    with pytest.raises(ValueError, match=says):
        Params.model_validate(cell("copy", **change))


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("digits", {"models": {"a": {**NET, "slots": 16}}}, "a: .*64 steps do not fit into 16 slots"),
        ("copy", {"models": {"a": {**NET, "width": 16}}}, "width 16 is above hidden 8"),
        ("copy", {"learning_rate": 1e30, "models": {"a": NET}, "clip_at": 1e30}, "^a: training.*lower"),
        ("text", {"task": {**TEXT, "held_out": 0.001}}, "leaves a part empty"),
        ("text", {"batch": 9000}, "batch 9000 times truncation 10"),
    ],
)
def test_what_only_the_data_shows_is_one_line(name, change, says):
    with pytest.raises(StageError, match=says) as caught:
        stages(name, **change)
    assert "\n" not in str(caught.value)
