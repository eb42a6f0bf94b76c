"""Row histograms against numpy, the four distances against closed forms and against the looped original."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retrace.metrics.reuse.histograms import BINS, DISTANCES, Prepared, distance_sums, row_histograms
from retrace.metrics.reuse.preindex import representation_distance

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import official

rows = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 40)),
    elements=st.one_of(st.integers(-20, 20).map(float), st.floats(-100, 100, width=16)),
)


@given(rows)
@settings(deadline=None, max_examples=50)
def test_counts_are_numpys(values):
    counts = row_histograms(values)
    for size in BINS:
        expected = [np.histogram(row, bins=size)[0] for row in values.astype(np.float64)]
        np.testing.assert_array_equal(counts[size], expected)


def test_bins_that_are_not_doublings_are_counted_on_their_own():
    values = np.random.default_rng(0).normal(size=(50, 300))
    counts = row_histograms(values, (10, 30, 64))
    for size in (10, 30, 64):
        np.testing.assert_array_equal(counts[size], [np.histogram(row, bins=size)[0] for row in values])


def test_constant_row_falls_in_the_middle_bin():
    counts = row_histograms(np.full((1, 5), 3.0), (16,))[16]
    assert counts[0, 8] == counts.sum() == 5


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="not finite"):
        row_histograms(np.array([[0.0, bad]]))


def sums(first, second):
    a, b = np.atleast_2d(first), np.atleast_2d(second)
    return dict(zip(DISTANCES, distance_sums(Prepared.of(a, a.sum()), Prepared.of(b, b.sum())), strict=True))


def test_disjoint_histograms():
    found = sums([6, 0, 0, 0], [0, 0, 0, 6])
    assert found["js"] == pytest.approx(np.log(2))
    assert found["bh"] == pytest.approx(1)
    assert found["w"] == 0  # the same bin values in another order
    assert found["kl"] == 0  # every term is infinite or undefined


def test_zero_bins_add_nothing_to_kl():
    found = sums([3, 1, 0, 2], [1, 0, 4, 1])
    assert found["kl"] == pytest.approx(3 / 6 * np.log(3) + 2 / 6 * np.log(2))


@given(st.data())
@settings(deadline=None, max_examples=50)
def test_distances_are_symmetric_bounded_and_zero_on_equals(data):
    width = data.draw(st.integers(2, 60))
    drawn = st.lists(st.integers(0, 15), min_size=width, max_size=width)
    u, v = (np.bincount(data.draw(drawn), minlength=16) for _ in range(2))
    found, turned = sums(u, v), sums(v, u)
    for name in ("w", "js", "bh"):
        assert found[name] == pytest.approx(turned[name], abs=1e-12)
    assert -1e-12 <= found["js"] <= np.log(2) + 1e-12
    assert -1e-12 <= found["bh"] <= 1 + 1e-12
    assert all(abs(value) < 1e-12 for value in sums(u, u).values())


def test_histograms_of_different_layers_are_refused():
    with pytest.raises(ValueError, match="histograms differ"):
        sums([1, 2], [1, 3])


def layers(rng, images):
    made = {f"l{width}": rng.normal(size=(images, width)).astype(np.float32) for width in (11, 64, 130)}
    made["l64"][0] = 2.0  # a constant vector
    made["l11"] = np.round(made["l11"] * 4) / 4  # many values on bin edges
    return made


def test_p_equals_the_looped_original():
    rng = np.random.default_rng(1)
    clean, noisy = layers(rng, 9), layers(rng, 9)
    wide = [{name: values.astype(np.float64) for name, values in side.items()} for side in (clean, noisy)]
    expected = official.preindex_p(*wide)
    found = representation_distance(clean, noisy, batch=4)
    assert found.keys() == expected.keys()
    assert len(found) == 12
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=1e-6), key


def test_p_of_identical_data_is_zero():
    clean = layers(np.random.default_rng(2), 5)
    assert all(abs(value) < 1e-12 for value in representation_distance(clean, clean).values())


def test_p_refuses_other_layers_and_unpaired_images():
    clean = layers(np.random.default_rng(3), 5)
    with pytest.raises(ValueError, match="layers differ"):
        representation_distance(clean, {"other": clean["l64"]})
    with pytest.raises(ValueError, match="pair the images"):
        representation_distance(clean, {name: values[:3] for name, values in clean.items()})
