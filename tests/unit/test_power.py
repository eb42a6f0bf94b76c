"""What more seeds and items would do: formulas against simulation, and thresholds that no data can meet."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from looks_tables import claim, table

from retrace.claims.judged import verdicts
from retrace.claims.looks import Looks
from retrace.claims.outlook import outlooks
from retrace.claims.sample import ordered
from retrace.stats.crossed import Stratum, estimate
from retrace.stats.power import Spread, items_to_reach, predictive_power
from retrace.stats.shares import share_above, share_below


def look_at(frame, rows="items", **change):
    made = claim(**change)
    (found,) = outlooks(verdicts([made], ordered(frame), rows, (), Looks()), 1)
    return found


def test_predictive_power_is_how_often_the_later_look_decides():
    rng = np.random.default_rng(0)
    draws, first, upto, gap, alpha = 40_000, 5, 12, 0.8, 0.01
    # flat prior: the true mean given the first seeds' mean and sd (1 by construction of the draw)
    seeds = rng.normal(size=(draws, first))
    seeds = gap + (seeds - seeds.mean(1, keepdims=True)) / seeds.std(1, ddof=1, keepdims=True)
    true_sd = np.sqrt((first - 1) / rng.chisquare(first - 1, draws))
    true_mean = gap + true_sd * rng.normal(size=draws) / np.sqrt(first)
    later = true_mean[:, None] + true_sd[:, None] * rng.normal(size=(draws, upto - first))
    whole = np.concatenate([seeds, later], axis=1)
    decided = [
        min(found.above(0.0), found.below(0.0)) < alpha
        for values in whole[:4000]
        for found in [estimate([Stratum(values[:, None])], False)]
    ]
    assert predictive_power(gap, 1.0, 0.0, first, upto, alpha) == pytest.approx(np.mean(decided), abs=0.04)


def test_predictive_power_knows_its_ends():
    assert predictive_power(0.0, 1.0, 0.0, 8, 24, 0.005) < 0.15
    assert predictive_power(9.0, 1.0, 0.0, 8, 24, 0.005) > 0.99
    assert predictive_power(1.0, 1.0, 9.0, 8, 24, 0.005) < 0.01  # items leave more than the gap
    assert predictive_power(9.0, 1.0, 0.0, 8, 8, 0.005) == 1
    assert predictive_power(1.0, 1.0, 0.0, 8, 8, 0.005) == 0
    assert np.isnan(predictive_power(1.0, 1.0, 0.0, 1, 8, 0.005))


def test_as_many_items_as_are_said_to_be_needed_have_the_power():
    rng = np.random.default_rng(1)
    spread = Spread(of_seeds=0.0004, of_units=1 / 30, rest=1 / 300, seeds=10, units=30)
    needed = spread.units_to_decide(gap=0.3, seeds=10, alpha=0.05)
    assert needed is not None

    def power(units, draws=1500):
        seeds = np.sqrt(0.004) * rng.normal(size=(draws, 10, 1))
        x = 0.3 + seeds + rng.normal(size=(draws, 1, units)) + rng.normal(size=(draws, 10, units))
        return np.mean([estimate([Stratum(values)], True).above(0.0) < 0.05 for values in x])

    assert power(needed) == pytest.approx(0.8, abs=0.06)
    assert power(needed // 2) < 0.7
    assert spread.power(0.3, 10, needed - 1, 0.05) < 0.8 <= spread.power(0.3, 10, needed, 0.05)


def test_where_seeds_leave_more_than_the_gap_no_number_of_items_is_enough():
    spread = Spread(of_seeds=1.0, of_units=1.0, rest=1.0, seeds=3, units=30)
    assert spread.units_to_decide(gap=0.3, seeds=3, alpha=0.05) is None
    assert spread.units_to_decide(gap=0.3, seeds=1000, alpha=0.05) is not None


@pytest.mark.parametrize(
    ("best", "alpha", "needed"),
    [
        (lambda items: share_below(0, items, 0.1), 0.05, 29),  # .9^29 = .047
        (lambda items: share_below(0, items, 0.1), 0.05 / 29, 61),
        (lambda items: share_above(items, items, 0.9), 0.05, 29),
        (lambda items: 1.0, 0.05, None),
    ],
)
def test_items_that_a_perfect_outcome_needs(best, alpha, needed):
    assert items_to_reach(best, alpha) == needed


def test_a_threshold_that_no_data_can_meet_is_named_from_one_seed():
    frame = table(np.zeros((1, 1, 12)))
    found = look_at(frame, expect={"at_most": 0.1})
    assert found.perfect is not None
    assert found.perfect.p == pytest.approx(0.9**12)
    assert (found.perfect.items, found.perfect.needed) == (12, 29)
    assert found.blocked
    assert found.few_items
    assert found.power(24) == 0
    assert found.seeds_needed is None
    assert not look_at(table(np.zeros((1, 1, 40))), expect={"at_most": 0.1}).blocked


def test_a_difference_of_shares_has_a_best_outcome_too():
    frame = table(np.ones((2, 1, 20))).assign(y=0.0)
    versus = {"kind": "order", "evidence": {"versus": {"of": "y"}}}
    found = look_at(frame, expect={"at_least": 0.5}, **versus)
    assert found.perfect is not None
    assert found.perfect.items == 20
    assert not found.blocked
    assert look_at(frame, expect={"at_least": 0.99}, **versus).blocked
    turned = look_at(frame.assign(x=0.0, y=1.0), expect={"at_most": -0.5}, **versus)
    assert turned.perfect == found.perfect


def test_sizes_are_those_of_seeds_and_items():
    rng = np.random.default_rng(3)
    x = (
        0.2 * rng.normal(size=(400, 1, 1))
        + rng.normal(size=(1, 1, 400))
        + 0.1 * rng.normal(size=(400, 1, 400))
    )
    found = look_at(table(x))
    assert found.seed_sd == pytest.approx(0.2, rel=0.1)
    assert found.unit_se == pytest.approx(1 / 20, rel=0.1)
    assert (found.seeds, found.units, found.alpha) == (400, 400, 0.05)
    grid = look_at(table(x), rows="seeds")
    assert grid.unit_se == 0
    assert grid.units_needed is None


def test_what_cannot_be_tested_has_no_outlook():
    made = claim()
    judged = verdicts([made], ordered(table(np.ones((3, 1, 4)))), "seeds", (), Looks())
    assert judged[0].verdict.code == "not-measurable"
    assert outlooks(judged, 1) == []


@pytest.mark.parametrize(("rows", "idle"), [(400, True), (12, False)])
def test_a_shuffle_that_data_of_a_pilot_keep_from_the_threshold_is_no_control(rows, idle):
    """0.19 is a correlation that shuffles of a dozen rows reach, and shuffles of hundreds never."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"seed": np.repeat([100, 101], rows), "cell": "c", "x": rng.normal(size=2 * rows)})
    frame["condition"] = [f"i{i}" for i in range(2 * rows)]
    frame["y"] = frame["x"] + 0.1 * rng.normal(size=2 * rows)
    trend = {"kind": "trend", "evidence": {"statistic": "spearman", "of": ["x", "y"]}}
    made = claim(**trend, expect={"at_least": 0.19}, control={"label": "shuffled x", "of": "shuffled(x)"})
    (found,) = outlooks(verdicts([made], ordered(frame), "seeds", (), Looks()), 1)
    assert bool(found.idle_control) is idle
    assert found.idle_control.startswith("its control, shuffled x, cannot pass: 95 %" if idle else "")
