"""Charts of units: what they refuse and what they show."""

import numpy as np
import pandas as pd
import pytest

from retrace.studies.safety.figures.answers import outcomes
from retrace.studies.safety.figures.composition import Flow, flows
from retrace.studies.safety.figures.direction import directions
from retrace.studies.safety.figures.plane import safety_utility
from retrace.studies.safety.figures.pruning_curves import against_pruned

SHARES = np.array([[0.02, 0.01], [0.07, 0.9]])


def networks(**changes):
    rows = [
        ("whole", "whole", "", np.nan, 2.0, 1.0, 0.0),
        ("esu_1", "esu", "esu", 0.01, 2.1, 0.5, 0.0),
        ("esu_2", "esu", "esu", 0.02, 2.2, 0.1, 0.2),
        ("safety_2", "rivals", "safety", 0.02, 9.0, -1.0, 0.9),
    ]
    columns = ["network", "family", "order", "share", "nll", "margin", "broken"]
    table = pd.DataFrame(rows, columns=columns).assign(cell="c", named=True)
    table = pd.concat([table.assign(seed=s, nll=table["nll"] + s / 100) for s in (0, 1)], ignore_index=True)
    return table.assign(**changes)


def test_missing_columns_are_named():
    with pytest.raises(ValueError, match="against_pruned: the table has no column share"):
        against_pruned(networks().drop(columns="share"), ["nll"])
    with pytest.raises(ValueError, match="safety_utility: the table has no column broken"):
        safety_utility(networks().drop(columns="broken"), "nll", "margin", "broken")
    with pytest.raises(ValueError, match="directions: the table has no column start"):
        directions(distances().drop(columns="start"), ["near"], ["a"])
    with pytest.raises(ValueError, match="outcomes: the table has no column met"):
        outcomes(networks(), {"harmful": ("met",)}, ("met",))
    with pytest.raises(ValueError, match="flows: nothing to draw"):
        flows([], ["a", "b"])
    with pytest.raises(ValueError, match=r"flows: x has shares \(2, 2\) for 3 parts"):
        flows([Flow("x", "a", "b", SHARES)], ["p", "q", "r"])


def test_bars_have_the_totals_and_ribbons_the_flows():
    (ax,) = flows([Flow("x", "a", "b", SHARES)], ["p", "q"]).axes
    bars = [(p.get_x() > 0.5, round(p.get_height(), 9)) for p in ax.patches if hasattr(p, "get_height")]
    assert sorted(bars) == sorted([(False, 0.03), (False, 0.97), (True, 0.09), (True, 0.91)])
    ribbons = [p.get_path().vertices for p in ax.patches if not hasattr(p, "get_height")]
    assert sorted(round(abs(v[7, 1] - v[0, 1]), 9) for v in ribbons) == sorted(SHARES.ravel().tolist())
    bands = {round(abs(v[7, 1] - v[0, 1]), 9): (v[0, 1], v[3, 1]) for v in ribbons}
    assert bands[0.02] == (0, 0)
    assert bands[0.01] == pytest.approx((0.02, 0.09))  # from the lower part into the upper one
    assert bands[0.07] == pytest.approx((0.03, 0.02))


def test_a_curve_joins_the_shares_of_an_order_and_far_marks_stand_at_the_edge():
    (ax,) = against_pruned(networks(), ["nll"], across=["whole"]).axes
    _, high = ax.get_ylim()
    curve = next(line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_marker() == "o")
    assert curve.get_xdata() == pytest.approx([0.01, 0.02])
    assert curve.get_ydata() == pytest.approx([2.105, 2.205])
    assert high < 5
    far = next(line for line in ax.lines if line.get_marker() == "s")
    assert far.get_ydata() == pytest.approx([high])
    assert [text.get_text().strip() for text in ax.texts] == ["9"]
    assert any(list(line.get_ydata()) == pytest.approx([2.005, 2.005]) for line in ax.lines)


def test_shares_of_answers_have_whole_axes():
    (ax,) = against_pruned(networks(), ["broken"], shares=["broken"]).axes
    assert ax.get_ylim() == (-0.04, 1.04)


def test_broken_networks_are_hollow_and_say_so():
    fig = safety_utility(networks(), "nll", "margin", "broken", cap=4.0)
    (ax,) = fig.axes
    faces = {
        line.get_ydata()[0]: line.get_markerfacecolor() for line in ax.lines if line.get_marker() != "None"
    }
    assert {y for y, face in faces.items() if face == "white"} == {0.1, -1.0}
    texts = {text.get_text() for text in ax.texts}
    assert texts == {"whole", "esu 1", "esu 2 (20 % broken)", "safety 2 (at 9, 90 % broken)"}
    assert max(line.get_xdata()[0] for line in ax.lines if line.get_marker() != "None") == 4.0


def test_only_named_networks_have_names():
    table = networks()
    (ax,) = safety_utility(table.assign(named=table["order"] == ""), "nll", "margin", "broken").axes
    assert [text.get_text() for text in ax.texts] == ["whole"]


def test_what_lies_in_the_close_up_is_named_there_only():
    fig = safety_utility(networks(), "nll", "margin", "broken", cap=4.0, close=["esu"])
    wide, near = fig.axes
    assert {text.get_text() for text in wide.texts} == {"whole", "safety 2 (at 9, 90 % broken)"}
    assert {text.get_text() for text in near.texts} == {"esu 1", "esu 2 (20 % broken)"}
    (box,) = wide.patches
    assert (box.get_x(), box.get_x() + box.get_width()) == pytest.approx(near.get_xlim())
    assert (box.get_y(), box.get_y() + box.get_height()) == pytest.approx(near.get_ylim())
    assert len(safety_utility(networks(), "nll", "margin", "broken", close=["tuned"]).axes) == 1


def distances():
    rows = [
        ("c", seed, tokens, layer, 1, layer / 10 + tokens, 0.2)
        for seed in (0, 1)
        for tokens in (2, 4)
        for layer in (1, 2, 3)
    ]
    return pd.DataFrame(rows, columns=["cell", "seed", "tokens", "layer", "start", "near_a", "far_a"])


def test_distances_are_means_over_the_other_axis():
    fig = directions(distances(), ["near", "far"], ["a"])
    over_tokens, over_layers = (ax.lines[0] for ax in fig.axes)
    assert over_tokens.get_xdata().tolist() == [2, 4]
    assert over_tokens.get_ydata() == pytest.approx([2.2, 4.2])
    assert over_layers.get_ydata() == pytest.approx([3.1, 3.2, 3.3])
    assert any(list(line.get_xdata()) == [1.5, 1.5] for line in fig.axes[1].lines)


def test_shares_of_answers_are_stacked():
    table = networks().assign(refused=0.7, met=0.2)
    (ax,) = outcomes(table, {"harmful": ("refused", "met")}, ("refused", "met")).axes
    assert sorted({round(p.get_x(), 9) for p in ax.patches}) == [0, 0.7]
    assert len(ax.patches) == 8
    assert not ax.texts
    partly = table.assign(met=table["met"].where(table["network"] != "esu_2"))
    (ax,) = outcomes(partly, {"harmful": ("refused", "met")}, ("refused", "met")).axes
    assert [(text.get_position()[1], text.get_text()) for text in ax.texts] == [(2, "not asked")]
