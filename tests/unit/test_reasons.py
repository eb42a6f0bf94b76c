"""What one claim cannot use spoils no other: it becomes a reason, which the terminal shows."""

import pytest
import synthetic_records as synthetic
from claim_tables import study_table

from retrace.claims.judge import judge
from retrace.claims.model import Claim
from retrace.claims.table import verdict_table

RANKS = {
    "id": "ranks",
    "says": "it ranks",
    "where": "abstract",
    "kind": "trend",
    "evidence": {"study": "reuse", "cells": ["*-shift"], "statistic": "spearman", "of": ["arm", "epochs"]},
    "expect": {"at_least": 0.5},
    "control": {"label": "the intensity", "of": "intensity"},
}
WORDS = "the column 'type' holds 'blur'; a statistic needs numbers"


def judged(**changes):
    changed = {**RANKS, "id": "changed", **changes}
    return judge([Claim.model_validate(raw) for raw in (RANKS, changed)], study_table())


def of(column):
    return {**RANKS["evidence"], "of": [column, "epochs"]}


@pytest.mark.parametrize("column", ["type", "shuffled(type)"])
def test_a_column_of_words_takes_no_other_verdict_with_it(column):
    plain, words = judged(evidence=of(column), expect={"at_least": 0.1})
    assert plain.measured is not None
    assert (words.verdict, words.reason) == ("not-run", WORDS)


def test_what_a_control_or_a_baseline_lacks_is_told_in_the_terminal():
    _, changed = judged(
        control={"label": "words", "of": "type"}, baselines=[{"label": "misspelt", "of": "epoch"}]
    )
    assert changed.control.reason == WORDS
    assert changed.verdict == "not-run"
    text = " ".join(verdict_table([synthetic.paper("arm", [changed])]).split())
    assert text.count(WORDS) == 1
    assert "misspelt: the table has no column 'epoch' (did you mean 'epochs'?)" in text


@pytest.mark.parametrize(
    ("measured", "interval", "threshold", "shown"),
    [
        (0.0213, (0.0196, 0.0231), 0.02, ("0.0213", "0.0196 to 0.0231")),
        (0.62, (0.5, 0.7), 0.02, ("0.62", "0.50 to 0.70")),
        (0.62, (0.62, 0.62), 0.5, ("0.62", "0.62 to 0.62")),
        (123.4, (120.0, 130.0), 123.0, ("123.4", "120.0 to 130.0")),
        (0.02, (0.01, 0.03), 0.02000001, ("0.0200", "0.0100 to 0.0300")),
    ],
)
def test_a_value_looks_equal_to_its_threshold_only_where_it_is(measured, interval, threshold, shown):
    plain, _ = judged()
    told = plain.model_copy(
        update={
            "measured": measured,
            "interval": interval,
            "expect": plain.expect.model_copy(update={"at_least": threshold}),
            "control": None,
        }
    )
    text = verdict_table([synthetic.paper("arm", [told])])
    for words in shown:
        assert f"  {words}  " in text
    assert "meets" not in text


def test_what_meets_means_is_said_once():
    one, two = judged(control={"label": "the same, nearly", "of": "arm_hist_own"})
    assert two.control.passes
    text = verdict_table([synthetic.paper("arm", [one, two])])
    assert text.count("meets: the control meets what is expected of the claim") == 1
