"""Groups of units: disjoint, as large as asked, and ordered as the paper says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrace.metrics.unit_groups import (
    GROUPS,
    Shares,
    classify,
    ranked,
    set_difference,
    top_complex,
    transfer,
)

S = np.array([9.0, 1.0, 5.0, 0.1, 4.0, 5.1])
U = np.array([1.0, 9.0, 5.0, 0.1, 4.0, 4.0])


def test_groups_by_hand():
    found = classify(S, U, Shares(esu=1 / 6, euu=1 / 6, ru=1 / 6))
    assert [GROUPS[g] for g in found] == ["esu", "euu", "cu", "ru", "cu", "cu"]
    assert top_complex(found, S, 2 / 6).tolist() == [5, 2]
    assert ranked(S, U, "esu", 2 / 6).tolist() == [0, 5]
    assert ranked(S, U, "ru", 2 / 6).tolist() == [3, 4]
    assert ranked(S, U, "euu", 1 / 6).tolist() == [1]
    assert ranked(S, U, "safety", 2 / 6).tolist() == [0, 5]
    assert set_difference(S, U, 3 / 6, 2 / 6).tolist() == [0, 5]


scores = st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=60)


@given(scores, st.floats(0, 0.4), st.floats(0, 0.3), st.floats(0, 0.3))
def test_groups_have_the_sizes_asked_for_and_nothing_is_twice(pairs, esu, euu, ru):
    s, u = np.array(pairs).T
    found = classify(s, u, Shares(esu, euu, ru))
    counts = np.bincount(found, minlength=4)
    assert counts.sum() == len(s)
    assert counts[0] == round(esu * len(s))
    assert counts[1] == min(round(euu * len(s)), len(s) - counts[0])
    rest = np.flatnonzero(found != 0)
    assert all((s - u)[found == 0].min() >= (s - u)[rest].max() for _ in [0] if counts[0] and len(rest))
    flows = transfer(found, found)
    assert flows.sum() == pytest.approx(1)
    assert np.diag(flows) == pytest.approx(counts / len(s))


def test_swapping_safety_and_utility_swaps_their_groups():
    rng = np.random.default_rng(0)
    s, u = rng.normal(size=(2, 100))
    one, two = classify(s, u, Shares(0.1, 0.1, 0.0)), classify(u, s, Shares(0.1, 0.1, 0.0))
    assert ((one == 0) == (two == 1)).all()
    assert ((one == 1) == (two == 0)).all()


def test_flows_go_from_rows_to_columns():
    flows = transfer(np.array([0, 0, 2, 3]), np.array([0, 2, 2, 2]))
    assert flows[0].tolist() == [0.25, 0, 0.25, 0]
    assert flows[3, 2] == 0.25


def test_what_cannot_be_had_is_refused():
    with pytest.raises(ValueError, match="add to more than 1"):
        Shares(0.5, 0.4, 0.2)
    with pytest.raises(ValueError, match=r"share ru is -0\.1"):
        Shares(0.1, 0.1, -0.1)
    with pytest.raises(ValueError, match="as many of each"):
        classify(S, U[:2], Shares(0, 0, 0))
    with pytest.raises(ValueError, match="not finite"):
        classify(S * np.nan, U, Shares(0, 0, 0))
    with pytest.raises(ValueError, match="no order 'cu'"):
        ranked(S, U, "cu", 0.1)
    with pytest.raises(ValueError, match="cannot be matched"):
        transfer(np.array([0]), np.array([0, 1]))
