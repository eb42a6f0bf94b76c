"""Differences that cancel out are ties, whatever floating point leaves of them."""

import pandas as pd
from test_judge import claim, one

from retrace.claims.measure import measure
from retrace.claims.sample import ordered

ABOVE = {
    "kind": "order",
    "evidence": {"cells": ["only"], "statistic": "mean", "of": ["a"], "versus": {"label": "b", "of": "b"}},
    "expect": {"above": 0},
    "control": {"label": "the other way", "of": "b", "versus": {"label": "a", "of": "a"}},
}


def shares(*counts, units=20):
    """`units` rows a seed; of `a` the first of them, as many as `counts` says, are 1, of `b` twelve."""
    rows = [
        {"seed": seed, "cell": "only", "condition": str(unit), "a": float(unit < ones), "b": float(unit < 12)}
        for seed, ones in enumerate(counts)
        for unit in range(units)
    ]
    return pd.DataFrame(rows)


def test_seeds_that_cancel_out_measure_zero():
    assert (13 / 20 - 12 / 20) + (11 / 20 - 12 / 20) != 0  # what is left without rounding
    record = one(shares(13, 12, 11), "items", **ABOVE)
    assert record.measured == 0
    assert record.reason.startswith("0, interval")


def test_small_values_are_no_ties():
    table = shares(13, 12, 12).assign(b=0.0)
    table["a"] *= 1e-15
    assert measure(claim(**ABOVE).evidence, ordered(table), "items", 0.95).value > 0
