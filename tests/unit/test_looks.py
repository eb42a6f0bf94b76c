"""Looks: seeds may differ from cell to cell and be added by what the first say, and errors stay rare."""

from __future__ import annotations

import numpy as np
import pytest
from looks_tables import claim, table

from retrace.claims.judge import judge
from retrace.claims.looks import Looks, planned
from retrace.stats.crossed import Stratum, estimate

PLAN = planned(3)


def at(seeds, cells=1, plan=PLAN):
    return Looks(plan, {f"c{cell}": seeds for cell in range(cells)})


def test_looks_are_the_sheet_s_number_and_the_larger_ones_of_the_ladder():
    assert planned(3) == (3, 8, 12, 17, 24)
    assert planned(8) == (8, 12, 17, 24)
    assert planned(10) == (10, 12, 17, 24)
    assert planned(30) == (30,)


def test_a_claim_has_reached_the_looks_that_all_its_cells_have():
    looks = Looks(PLAN, {"a": 12, "b": 8, "other": 3})
    assert looks.reached(["a"]) == (3, 8, 12)
    assert looks.reached(["a", "b"]) == (3, 8)
    assert looks.reached(["*"]) == (3,)
    assert Looks(PLAN, {"a": 11}).reached(["a"]) == (3, 8)


def test_unequal_seeds_do_not_pull_the_mean_to_the_cell_that_has_more():
    values = np.full((8, 2, 4), np.nan)
    noise = 0.01 * np.random.default_rng(0).normal(size=values.shape)
    values[:, 0], values[:3, 1] = 0, 1  # a: 0 from 8 seeds; b: 1 from 3: the truth is a half
    for rows in ("seeds", "items"):
        (verdict,) = judge([claim(expect={"at_least": 0.45})], table(values + noise), rows)
        assert verdict.measured == pytest.approx(0.5, abs=0.01)
        assert verdict.verdict == "supported", verdict.reason
        (verdict,) = judge([claim(expect={"at_most": 0.45})], table(values + noise), rows)
        assert verdict.verdict == "refuted", verdict.reason


def test_one_look_changes_nothing():
    frame = table(np.random.default_rng(1).normal(size=(5, 2, 6)))
    plain = judge([claim()], frame, "items")[0]
    one = judge([claim()], frame, "items", looks=at(5, 2, planned(5)[:1]))[0]
    assert one == plain
    assert "look" not in plain.model_dump()["test"]


def test_a_look_rests_on_the_first_seeds_and_none_later():
    values = np.random.default_rng(2).normal(size=(10, 1, 6)) + 0.4
    (now,) = judge([claim()], table(values), "seeds", looks=at(10))
    values[8:] = -1000  # seeds beyond the look of eight
    (then,) = judge([claim()], table(values), "seeds", looks=at(10))
    assert then == now
    assert (now.seeds, now.test.look, now.test.looks) == (8, 2, 5)


def test_each_look_has_an_equal_share_and_what_an_earlier_one_found_stays():
    rng = np.random.default_rng(3)
    values = np.concatenate([1 + 0.1 * rng.normal(size=(8, 1, 1)), 5 * rng.normal(size=(4, 1, 1))])
    frame = table(values)
    early = judge([claim()], frame, "seeds", looks=at(8))[0]
    alone = judge([claim()], table(values[:8]), "seeds")[0]
    assert early.test.p == alone.test.p
    assert early.test.adjusted == pytest.approx(5 * alone.test.p)
    late = judge([claim()], frame, "seeds", looks=at(12))[0]
    assert late.test.p > 0.01  # its own look says less
    assert late.test.adjusted == pytest.approx(early.test.adjusted)
    assert late.test.look == 3


def test_a_control_is_held_to_its_share_of_the_level_at_each_look():
    rng = np.random.default_rng(7)
    frame = table(3 + 0.1 * rng.normal(size=(8, 1, 1)))
    frame["zero"] = frame["x"] - 0.1 + 0.2 * np.array([1, -1, 0.3, -0.3, 0.8, -0.8, 0, 0.1])
    plain = judge([claim()], frame, "seeds")[0]
    p = estimate([Stratum((frame["x"] - frame["zero"]).to_numpy()[:, None])], False).above(0)
    assert 0.01 < p < 0.05
    assert plain.verdict == "supported"
    assert judge([claim()], frame, "seeds", looks=at(8))[0].verdict == "not-specific"


@pytest.mark.parametrize("rows", ["seeds", "items"])
def test_seeds_added_by_what_the_first_say_seldom_support_what_is_not_so(rows):
    """The truth is at the threshold; seeds are added until a look supports it or the last look is there."""
    wrong, draws = {"looks": 0, "uncorrected": 0}, 400
    made = claim()
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        x = rng.normal(size=(24, 1, 1)) + 0.5 * rng.normal(size=(24, 1, 3))
        x += 0.1 * rng.normal(size=(1, 1, 3)) if rows == "items" else 0.0
        frame = table(x)
        supported = {"looks": False, "uncorrected": False}
        for seeds in PLAN:
            if not supported["looks"]:
                (verdict,) = judge([made], frame, rows, looks=at(seeds))
                supported["looks"] = verdict.verdict in ("supported", "not-specific")
            supported["uncorrected"] |= verdict.test.p < 0.05
        for name, once in supported.items():
            wrong[name] += once
    assert wrong["looks"] / draws <= 0.05
    assert wrong["uncorrected"] / draws > 0.07  # what it would be without a share for each look
