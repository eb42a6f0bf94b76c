import json

import numpy as np
import pandas as pd
import pytest
from claim_tables import study_table
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from retrace.claims.judge import judge
from retrace.claims.model import Claim
from retrace.errors import RetraceError
from retrace.tabled import ESTIMATED


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
        "control": {"label": "pixels", "of": "pixel_rmse"},
    }
    evidence = {**raw["evidence"], **change.pop("evidence", {})}
    return Claim.model_validate({**raw, **change, "evidence": evidence})


def one(table, rows="seeds", untested=None, **change):
    return judge([claim(**change)], table, rows, untested or {})[0]


@pytest.fixture(scope="module")
def table():
    return study_table()


def test_a_good_order_is_supported_and_reversed_refuted():
    table = study_table(seeds=8, noise=0.01)
    good = one(table)
    assert good.verdict == "supported"
    assert good.test.p < 0.001 < 0.999 < good.test.p_against
    assert 0 < good.interval[0] < good.measured < good.interval[1]
    bad = one(table.assign(preindex=-table["preindex"]))
    assert (bad.verdict, bad.measured) == ("refuted", pytest.approx(-good.measured))


def test_seeds_that_agree_exactly_tell_nothing(table):
    record = one(table.assign(preindex=table["epochs"] ** 3))
    assert (record.verdict, record.measured, record.test) == ("not-measurable", 1, None)
    assert "all seeds agree exactly" in record.reason


def test_a_weak_relation_is_open_and_says_what_would_decide():
    table = study_table(noise=0.04)
    value = one(table).measured
    record = one(table, expect={"at_least": value - 0.02})
    assert record.verdict == "open"
    assert "decide" in record.reason
    assert record.would_decide.seeds not in {0, 1, 2, 3}


def test_a_clear_sign_without_the_margin_is_said():
    table = study_table(noise=0.04)
    record = one(table, expect={"at_least": one(table).measured - 0.02})
    assert "the sign is clear, the margin is not" in record.reason
    missed = one(table, expect={"at_least": 0.999})
    assert (missed.verdict, "not at least 0.999" in missed.reason) == ("margin", True)


def test_a_control_that_does_as_well_makes_support_unspecific(table):
    twin = table.assign(twin=table["preindex"])
    for control in ({"label": "the same again", "of": "twin"}, {"label": "also good", "of": "arm"}):
        record = one(twin, control=control)
        assert (record.verdict, record.control.passes, record.control.specific) == (
            "not-specific",
            True,
            False,
        )
        assert f"the control ({control['label']}) meets it, too" in record.reason
    record = one(table, control={"label": "gone", "of": "nowhere"})
    assert (record.verdict, record.reason[:25]) == ("not-run", "its control, gone: the ta")


def test_a_control_that_passes_but_is_clearly_behind_leaves_support(table):
    noisy = table.assign(worse=table["preindex"] + study_table(noise=0.05)["arm"])
    record = one(noisy, control={"label": "worse", "of": "worse"})
    assert (record.control.passes, record.control.specific, record.verdict) == (True, True, "supported")


def test_a_claim_that_shuffles_meet_is_not_specific(table):
    table = table.assign(preindex=np.random.default_rng(0).normal(size=len(table)))
    record = one(table, expect={"at_least": -0.9}, control={"label": "shuffled", "of": "shuffled(preindex)"})
    assert record.control.measured == pytest.approx(0, abs=0.05)
    assert (record.control.passes, record.verdict) == (True, "not-specific")


def test_estimated_energy_decides_nothing(table):
    for sign in (1, -1):
        record = one(
            table.assign(kwh=sign * table["kwh"]),
            untested={"kwh": ESTIMATED},
            evidence={"of": ["preindex", "kwh"]},
        )
        assert (record.verdict, record.test) == ("not-measurable", None)
        assert "no hardware counter" in record.reason
        assert record.measured is not None
    assert one(study_table(seeds=8), untested={"kwh": ESTIMATED}).verdict == "supported"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cells": ["cifar10-*"]}, "no cell matches cifar10-*"),
        ({"of": ["preindx", "epochs"]}, "no column 'preindx' (did you mean 'preindex'?)"),
        ({"where": {"type": "frost"}}, "no row where type is 'frost' (there are "),
        ({"where": {"type": ["gaus", "frost"]}}, "no row where type is 'gaus' (there are "),
        (
            {"where": {"type": "gauss", "intensity": [0.05, 99]}},
            "no row where intensity is 99 (there are ",
        ),
        ({"within": ["cell", "condition"]}, "no group of cell, condition has 3 rows"),
    ],
)
def test_missing_evidence_is_not_run(table, change, reason):
    record = one(table, evidence=change, control={"label": "pixels", "of": ["pixel_rmse", "epochs"]})
    assert (record.verdict, record.measured) == ("not-run", None)
    assert reason in record.reason


def test_no_table_at_all_is_not_run(table):
    assert one(table.iloc[:0]).verdict == "not-run"


def test_one_seed_is_open(table):
    record = one(table[table["seed"] == 1])
    assert record.verdict == "open"
    assert "1 seed; a test needs at least 2" in record.reason
    assert record.measured > 0.9
    assert record.test is None


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_a_constant_or_missing_column_is_not_measurable_never_an_error(table, value):
    record = one(table.assign(epochs=value), also=["pearson", "kendall"])
    assert (record.verdict, record.measured) == ("not-measurable", None)
    assert "undefined in 3 of 3 groups, first seed 0, fashion-shift" in record.reason
    json.dumps(record.model_dump(), allow_nan=False)


def test_one_undefined_group_of_many_is_left_out_and_told():
    table = study_table(seeds=8, noise=0.01)
    table.loc[(table["seed"] == 0) & (table["type"] == "sp"), "epochs"] = 1.0
    record = one(table, evidence={"within": ["cell", "type"]})
    assert record.verdict == "supported"
    assert "1 of 24 groups undefined, left out" in record.reason


def test_too_many_undefined_groups_are_not_measurable(table):
    table = table.copy()
    table.loc[(table["type"] == "sp"), "epochs"] = 1.0
    record = one(table, evidence={"within": ["cell", "type"]})
    assert (record.verdict, record.test) == ("not-measurable", None)
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
    assert (record.seeds, record.units, record.random) == (3, 3, "seeds")


def test_between_networks_the_units_are_conditions():
    table = study_table(seeds=8, noise=0.05)
    between = {"cells": ["*-cnn", "*-v*", "*-mob*"], "within": ["dataset", "condition"], "random": "groups"}
    record = one(table, evidence=between)
    assert record.units == 5  # the conditions that three networks or more share
    assert (record.random, record.test.df) == ("groups", 4)


def test_order_is_paired(table):
    # Either side alone is uncertain; resampled together they never differ.
    table = table.assign(preindex=table["pixel_rmse"], source_error=table["pixel_rmse"])
    order = {"kind": "order", "expect": {"above": 0}}
    same = one(table, evidence={"versus": {"of": "source_error"}}, **order)
    assert (same.measured, same.test) == (0, None)  # it never differs from itself
    alone = one(table).interval
    assert alone[1] - alone[0] > 0.1


@pytest.mark.parametrize(("within", "verdict"), [(0.5, "supported"), (0.01, "refuted"), (0.05, "open")])
def test_equivalence_over_seeds(table, within, verdict):
    seeds = table["seed"].to_numpy()
    table = table.assign(seconds=table["epochs"] + np.array([0.04, 0.05, 0.06])[seeds])
    table["ten_more"] = table["seconds"] + 10
    record = one(
        table,
        kind="equivalence",
        evidence={"statistic": "mean", "of": ["seconds"], "versus": {"of": "epochs"}},
        expect={"within": within},
        control={"label": "ten more", "of": "ten_more"},
    )
    assert record.measured == pytest.approx(0.05)
    assert record.verdict == verdict, record.reason


def test_value_is_held_against_a_published_number(table):
    published = {"value": 1.1, "where": "Table 1"}
    evidence = {"statistic": "mean", "of": ["epochs"]}
    control = {"label": "another column", "of": "ten_more"}
    record = one(
        table.assign(ten_more=table["epochs"] + 10),
        kind="value",
        evidence=evidence,
        expect={"value": 1.13, "within": 0.02},
        control=control,
        published=published,
    )
    assert record.verdict == "supported", record.reason
    assert record.published.model_dump() == published


def test_a_claim_enters_its_family_once_and_families_do_not_share():
    table = study_table(noise=0.03)
    claims = [claim(id=f"c{i}", expect={"at_least": bound}) for i, bound in enumerate((0.2, 0.5, 0.6, 0.7))]
    ours = claim(id="ours", origin="ours")
    *records, alone = judge([*claims, ours], table)
    smaller = [min(r.test.p, r.test.p_against) for r in records]
    assert [r.test.adjusted for r in records] == pytest.approx(multipletests(smaller, method="holm")[1])
    assert max(r.test.adjusted - r.test.p for r in records) > 0
    assert alone.test.adjusted == min(alone.test.p, alone.test.p_against)


def test_headlines_go_before_the_rest():
    table = study_table(seeds=5, noise=0.02)
    weak = [claim(id=f"c{i}", expect={"at_least": 0.9}) for i in range(12)]
    head, *_ = judge([claim(id="head", primary=True, expect={"at_least": 0.7}), *weak], table)
    plain, *_ = judge([claim(id="head", expect={"at_least": 0.7}), *weak], table)
    assert head.test.adjusted == pytest.approx(head.test.p / 0.8)
    assert head.test.adjusted < plain.test.adjusted


@pytest.mark.parametrize("counts", [(8, 3), (3, 8), (2, 2)])
def test_cells_of_unequal_seeds_count_alike(counts):
    """Cells at 0 and 1 with any numbers of seeds: their mean is 0.5."""
    rng = np.random.default_rng(3)
    rows = [
        {"seed": seed, "cell": cell, "condition": "only", "x": value + 0.001 * rng.normal(), "zero": 0.0}
        for cell, value, seeds in (("a", 0.0, counts[0]), ("b", 1.0, counts[1]))
        for seed in range(seeds)
    ]
    asked = {"cells": ["*"], "statistic": "mean", "of": ["x"], "within": ["cell"]}
    control = {"label": "nothing", "of": "zero"}
    record = one(pd.DataFrame(rows), kind="bound", evidence=asked, expect={"at_least": 0.45}, control=control)
    assert record.measured == pytest.approx(0.5, abs=0.002)
    assert record.verdict == "supported"


def test_cells_without_a_seed_in_common_still_have_a_test():
    table = pd.DataFrame(
        {"seed": seed, "cell": cell, "condition": "only", "x": value + 0.01 * seed, "zero": 0.0}
        for cell, value, seeds in (("a", 0.0, (0, 1, 2)), ("b", 1.0, (3, 4, 5)))
        for seed in seeds
    )
    asked = {"cells": ["*"], "statistic": "mean", "of": ["x"], "within": ["cell"]}
    control = {"label": "nothing", "of": "zero"}
    record = one(table, kind="bound", evidence=asked, expect={"at_least": 0.45}, control=control)
    assert (record.measured, record.verdict) == (pytest.approx(0.525), "supported")


def test_sides_without_a_seed_in_common_are_not_run():
    table = pd.DataFrame(
        {"seed": seed, "cell": "a", "condition": name, "x": 1.0, "zero": 0.0}
        for name, seeds in (("left", (0, 1)), ("right", (2, 3)))
        for seed in seeds
    )
    asked = {
        "cells": ["*"], "statistic": "mean", "of": ["x"], "where": {"condition": "left"},
        "versus": {"where": {"condition": "right"}},
    }  # fmt: skip
    record = one(
        table, kind="order", evidence=asked, expect={"above": 0}, control={"label": "0", "of": "zero"}
    )
    assert (record.verdict, record.reason) == ("not-run", "the two sides have no seed and group in common")


def test_what_is_counted_is_decided_by_itself():
    table = study_table().assign(ten=10.0, zero=0.0)
    counted = {"statistic": "mean", "of": ["ten"], "random": "nothing"}
    control = {"label": "nothing", "of": "zero"}
    for bound, verdict in ((9, "supported"), (11, "refuted")):
        record = one(table, kind="bound", evidence=counted, expect={"at_least": bound}, control=control)
        assert (record.verdict, record.test, record.interval) == (verdict, None, (10, 10))


def test_near_is_said_with_its_bound():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"seed": seed, "cell": "a", "condition": "only", "x": x, "far": -9.0}
        for seed, x in enumerate(rng.normal(size=8) - rng.normal(size=8).mean())
    )
    table["x"] -= table["x"].mean()
    asked = {"cells": ["*"], "statistic": "mean", "of": ["x"], "within": []}
    record = one(
        table, kind="bound", evidence=asked, expect={"above": 0}, control={"label": "far", "of": "far"}
    )
    assert record.verdict == "near"
    far = max(map(abs, record.interval))
    assert record.reason.endswith(f"it is at most {far:.3g} away from it")


@given(st.randoms(use_true_random=False))
@settings(max_examples=5, deadline=None)
def test_order_of_rows_columns_and_claims_does_not_matter(random):
    table = study_table(seeds=2, noise=0.02)
    claims = [claim(id="a"), claim(id="b", evidence={"within": ["cell", "type"]})]
    expected = judge(claims, table)
    columns, rows = list(table.columns), list(range(len(table)))
    random.shuffle(columns)
    random.shuffle(rows)
    assert judge(claims[::-1], table.iloc[rows][columns])[::-1] == expected


@given(st.floats(0.01, 1000), st.floats(-5, 5))
@settings(max_examples=5, deadline=None)
def test_units_of_the_index_do_not_matter(scale, offset):
    table = study_table(seeds=2, noise=0.02)
    scaled = table.assign(preindex=table["preindex"] * scale + offset)
    a, b = (judge([claim()], t)[0] for t in (table, scaled))
    assert b.measured == pytest.approx(a.measured)
    assert b.interval == pytest.approx(a.interval)
