import json
from pathlib import Path

import numpy as np
import pytest
import synthetic_records as synthetic
from claim_tables import GOOD, INDICES, study_table
from hypothesis import given, settings
from hypothesis import strategies as st

from retrace.claims.judge import judge
from retrace.claims.load import load_claims
from retrace.claims.model import Claim
from retrace.claims.table import CSV_COLUMNS, csv_rows, verdict_table
from retrace.errors import RetraceError
from retrace.stats.tests import holm

CLAIMS = Path(__file__).parents[2] / "claims"
PAPERS = {name: load_claims(CLAIMS / f"{name}.yaml") for name in ("arm", "preindex", "resque")}
FAST = 499


def claim(**change):
    raw = {
        "id": "ranks",
        "says": "it ranks",
        "where": "abstract",
        "kind": "trend",
        "evidence": {
            "study": "reuse",
            "cells": ["*-shift"],
            "statistic": "spearman",
            "of": ["preindex", "epochs"],
            "within": ["cell"],
        },
        "expect": {"at_least": 0.75},
        "control": {"label": "shuffled", "of": "shuffled(preindex)"},
    }
    evidence = {**raw["evidence"], **change.pop("evidence", {})}
    return Claim.model_validate({**raw, **change, "evidence": evidence})


def one(table, estimated=(), **change):
    return judge([claim(**change)], table, 0, estimated, FAST)[0]


@pytest.fixture(scope="module")
def table():
    return study_table()


@pytest.fixture(scope="module")
def verdicts(table):
    return [
        synthetic.paper(name, judge(paper.claims, table, 0, (), FAST), title=paper.title)
        for name, paper in PAPERS.items()
    ]


def test_shipped_claims_hold_where_they_should_and_their_controls_fail(verdicts):
    for paper in verdicts:
        for record in paper.claims:
            assert record.verdict in ("supported", "not testable here"), (record.id, record.reason)
            assert record.verdict == "not testable here" or record.control.passes is False


@pytest.mark.parametrize("paper", PAPERS)
def test_shipped_claims_fall_with_shuffled_columns(paper, table):
    shuffled = table.copy()
    rng = np.random.default_rng(1)
    for name in INDICES:
        for rows in shuffled.groupby("seed").indices.values():
            shuffled.loc[rows, name] = rng.permutation(shuffled.loc[rows, name].to_numpy())
    for record in judge(PAPERS[paper].claims, shuffled, 0, replicates=FAST):
        if record.id != "same-task-costs-less":  # about costs, which were left alone
            assert record.verdict != "supported", record.id


def test_perfect_order_is_supported_and_reversed_order_refuted(table):
    table = table.assign(preindex=table["epochs"] ** 3)
    record = one(table)
    assert (record.verdict, record.measured) == ("supported", 1)
    assert record.p == pytest.approx(1 / (FAST + 1))
    record = one(table.assign(preindex=-table["epochs"]))
    assert (record.verdict, record.measured) == ("refuted", -1)
    assert record.p_against == pytest.approx(1 / (FAST + 1))


def test_a_weak_relation_is_inconclusive_and_says_what_would_decide():
    table = study_table(noise=0.04)
    value = one(table).measured
    record = one(table, expect={"at_least": value - 0.02})
    assert record.verdict == "inconclusive"
    assert "decide" in record.reason
    assert record.seeds_to_decide is None or record.seeds_to_decide > 3


def test_a_control_that_passes_withholds_support(table):
    for control in ({"label": "the same again"}, {"label": "also good", "of": "arm"}):
        record = one(table, control=control)
        assert record.verdict == "inconclusive"
        assert record.control.passes is True
        assert f"the control ({control['label']}) meets" in record.reason
    record = one(table, control={"label": "gone", "of": "nowhere"})
    assert "could not be measured" in record.reason


def test_a_claim_that_any_index_meets_is_not_supported(table):
    record = one(table, expect={"at_least": -0.1})
    assert record.control.measured == pytest.approx(0, abs=0.05)
    assert record.control.interval[0] < -0.1
    assert (record.control.passes, record.verdict) == (True, "inconclusive")


def test_estimated_energy_decides_nothing(table):
    for index in ("preindex", "epochs"):
        sign = table.assign(epochs=-table["kwh"])
        record = one(sign, ["kwh"], evidence={"of": [index, "kwh"]})
        assert record.verdict == "inconclusive"
        assert "no hardware counter" in record.reason
        assert ("supported" if index == "preindex" else "refuted") in record.reason
    assert one(table, ["kwh"]).verdict == "supported"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cells": ["cifar10-*"]}, "no cell matches cifar10-*"),
        ({"of": ["preindx", "epochs"]}, "no column 'preindx' (did you mean 'preindex'?)"),
        ({"where": {"type": "frost"}}, "no row where type is frost"),
        ({"within": ["cell", "condition"]}, "no group of cell, condition has 3 rows"),
    ],
)
def test_missing_evidence_is_not_run(table, change, reason):
    record = one(table, evidence=change, control={"label": "shuffled", "of": "shuffled(epochs)"})
    assert (record.verdict, record.measured) == ("not run", None)
    assert reason in record.reason


def test_no_table_at_all_is_not_run(table):
    assert one(table.iloc[:0]).verdict == "not run"


def test_one_seed_is_inconclusive(table):
    record = one(table[table["seed"] == 1])
    assert record.verdict == "inconclusive"
    assert "1 seed; an interval needs at least 2" in record.reason
    assert record.measured > 0.9
    assert record.p is None


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_a_constant_or_missing_column_is_inconclusive_never_an_error(table, value):
    record = one(table.assign(epochs=value), also=["pearson", "kendall"])
    assert (record.verdict, record.measured) == ("inconclusive", None)
    assert "undefined in 3 of 3 groups, first seed 0, fashion-shift" in record.reason
    json.dumps(record.model_dump(), allow_nan=False)


def test_one_undefined_group_of_many_is_left_out_and_told(table):
    table = table.copy()
    table.loc[(table["seed"] == 0) & (table["type"] == "sp"), "epochs"] = 1.0
    record = one(table, evidence={"within": ["cell", "type"]})
    assert record.verdict == "supported"
    assert "1 of 9 groups undefined, left out" in record.reason


def test_too_many_undefined_groups_are_inconclusive(table):
    table = table.copy()
    table.loc[(table["type"] == "sp"), "epochs"] = 1.0
    record = one(table, evidence={"within": ["cell", "type"]})
    assert (record.verdict, record.p) == ("inconclusive", None)
    assert "undefined in 3 of 9 groups, first seed 0, fashion-shift, sp" in record.reason


def test_ambiguous_rows_are_refused(table):
    again = table.iloc[[0, *range(len(table))]]
    with pytest.raises(
        RetraceError, match=r"more than one row for seed 0, cell fashion-shift, condition gauss:0\.05"
    ):
        one(again)


def test_measured_is_the_mean_over_groups_then_seeds(table):
    cells = table[table["cell"].isin(["fashion-shift"])]
    blocks = cells.groupby(["seed", "type"])[["arm", "first_check"]].apply(
        lambda g: g["arm"].corr(g["first_check"], method="spearman")
    )
    record = one(table, evidence={"of": ["arm", "first_check"], "within": ["cell", "type"]})
    assert record.measured == pytest.approx(blocks.groupby("seed").mean().mean())
    assert (record.seeds, record.units) == (3, 15)


def test_between_networks_the_units_are_conditions(table):
    between = {"cells": ["*-cnn", "*-v*", "*-mob*"], "within": ["dataset", "condition"], "resample": "groups"}
    record = one(table, evidence=between)
    assert record.units == 5  # the conditions that three networks or more share
    assert record.verdict == "supported"


def test_order_is_paired(table):
    # Either side alone is uncertain; resampled together they never differ.
    table = table.assign(preindex=table["pixel_rmse"], source_error=table["pixel_rmse"])
    order = {"kind": "order", "expect": {"above": 0}}
    same = one(table, evidence={"versus": {"of": "source_error"}}, **order)
    assert same.interval == (0, 0)
    assert same.verdict == "refuted"  # it is not above itself
    alone = one(table).interval
    assert alone[1] - alone[0] > 0.1


@pytest.mark.parametrize(
    ("within", "verdict"), [(0.5, "supported"), (0.01, "refuted"), (0.05, "inconclusive")]
)
def test_equivalence_over_seeds(table, within, verdict):
    seeds = table["seed"].to_numpy()
    table = table.assign(seconds=table["epochs"] + np.array([0.04, 0.05, 0.06])[seeds])
    record = one(
        table,
        kind="equivalence",
        evidence={"statistic": "mean", "of": ["seconds"], "versus": {"of": "epochs"}, "resample": "seeds"},
        expect={"within": within},
        control={"label": "zero against one", "of": "seed", "versus": {"of": "intensity"}},
    )
    assert record.measured == pytest.approx(0.05)
    assert record.verdict == verdict, record.reason


def test_value_is_held_against_a_published_number(table):
    published = {"value": 1.1, "where": "Table 1"}
    evidence = {"statistic": "mean", "of": ["epochs"], "resample": "seeds"}
    control = {"label": "another column", "of": "seed"}
    record = one(
        table,
        kind="value",
        evidence=evidence,
        expect={"value": 1.13, "within": 0.02},
        control=control,
        published=published,
    )
    assert record.verdict == "supported", record.reason
    assert record.published.model_dump() == published


def test_p_values_are_corrected_over_the_paper():
    table = study_table(noise=0.03)
    claims = [claim(id=f"c{i}", expect={"at_least": bound}) for i, bound in enumerate((0.2, 0.5, 0.6, 0.7))]
    records = judge(claims, table, 0, replicates=FAST)
    assert [r.p_holm for r in records] == pytest.approx(holm([r.p for r in records]))
    assert [r.p_against_holm for r in records] == pytest.approx(holm([r.p_against for r in records]))
    assert max(r.p_holm - r.p for r in records) > 0


@given(st.randoms(use_true_random=False))
@settings(max_examples=5, deadline=None)
def test_order_of_rows_columns_and_claims_does_not_matter(random):
    table = study_table(seeds=2, noise=0.02)
    claims = [claim(id="a"), claim(id="b", evidence={"within": ["cell", "type"]})]
    expected = judge(claims, table, 0, replicates=99)
    columns, rows = list(table.columns), list(range(len(table)))
    random.shuffle(columns)
    random.shuffle(rows)
    assert judge(claims[::-1], table.iloc[rows][columns], 0, replicates=99)[::-1] == expected


@given(st.floats(0.01, 1000), st.floats(-5, 5))
@settings(max_examples=5, deadline=None)
def test_units_of_the_index_do_not_matter(scale, offset):
    table = study_table(seeds=2, noise=0.02)
    scaled = table.assign(preindex=table["preindex"] * scale + offset)
    a, b = (judge([claim()], t, 0, replicates=99)[0] for t in (table, scaled))
    assert b.measured == pytest.approx(a.measured)
    assert b.interval == pytest.approx(a.interval)


def test_the_same_seed_gives_the_same_record(table):
    noisy = study_table(noise=0.03)
    assert one(noisy) == one(noisy)
    assert judge([claim()], noisy, 1, replicates=FAST)[0].interval != one(noisy).interval


def test_text_table_fits_and_names_every_claim_and_reason(verdicts, table):
    estimated = synthetic.paper("arm", judge(PAPERS["arm"].claims[:2], table, 0, GOOD, FAST))
    text = verdict_table([*verdicts, estimated])
    assert max(map(len, text.splitlines())) <= 110
    assert all(record.id in text for paper in verdicts for record in paper.claims)
    assert "as estimated it would be supported" in " ".join(text.split())
    assert text.isascii()
    assert verdict_table([]) == "no verdicts yet"


def test_csv_rows_are_flat(verdicts):
    rows = csv_rows(verdicts)
    assert len(rows) == sum(len(p.claims) for p in PAPERS.values())
    assert all(tuple(row) == CSV_COLUMNS for row in rows)
    assert not any(isinstance(value, dict | list) for row in rows for value in row.values())
