"""The reuse split: disjoint, complete, stratified, and drawn by the Generator alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrace.data.splits import stratified


def every_part(split):
    return [split.test, split.spare, *split.parts]


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(30, 90), min_size=1, max_size=6),
    reserve=st.integers(1, 20),
    data=st.data(),
    seed=st.integers(0, 2**32 - 1),
)
def test_parts_are_disjoint_complete_and_stratified(counts, reserve, data, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    test = data.draw(st.integers(1, reserve))
    split = stratified(y, np.random.default_rng(seed), reserve, test)
    assert np.sort(np.concatenate(every_part(split))).tolist() == list(range(len(y)))
    for label, count in enumerate(counts):
        sizes = [int((y[part] == label).sum()) for part in every_part(split)]
        assert sizes[:2] == [test, reserve - test]
        assert np.abs(np.array(sizes[2:]) - np.array([0.5, 0.3, 0.2]) * (count - reserve)).max() <= 1


def test_mnist_sample_gives_the_published_shares():
    split = stratified(np.repeat(np.arange(10), 500), np.random.default_rng(0))
    assert [len(part) for part in every_part(split)] == [600, 400, 2000, 1200, 800]
    assert (len(split.source), len(split.target)) == (2800, 2000)


def test_source_and_target_share_the_last_part_only():
    split = stratified(np.repeat(np.arange(3), 100), np.random.default_rng(1), 40, 40)
    assert len(split.spare) == 0
    assert np.array_equal(np.intersect1d(split.source, split.target), split.parts[2])
    assert np.array_equal(np.union1d(split.source, split.target), np.sort(np.concatenate(split.parts)))


def test_the_generator_decides():
    y = np.repeat(np.arange(10), 100)
    first, same, other = (stratified(y, np.random.default_rng(s), 40, 40) for s in (5, 5, 6))
    for a, b, c in zip(every_part(first), every_part(same), every_part(other), strict=True):
        assert np.array_equal(a, b)
        assert len(a) == 0 or not np.array_equal(a, c)


def test_no_part_is_in_the_order_of_the_file():
    split = stratified(np.zeros(1000, dtype=np.int64), np.random.default_rng(0))
    means = [part.mean() for part in every_part(split)]
    assert max(abs(mean - 499.5) for mean in means) < 4.5 * 1000 / np.sqrt(12 * 40)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"reserve": 10, "test": 11}, r"1\.\.reserve=10"),
        ({"reserve": 10, "test": 0}, r"1\.\.reserve=10"),
        ({"reserve": 10, "test": 5, "fractions": (0.5, 0.3, 0.3)}, "sum to 1"),
        ({"reserve": 10, "test": 5, "fractions": (0.5, 0.5)}, "three positive shares"),
        ({"reserve": 98, "test": 5}, "class 1 has 50 images: too few"),
    ],
)
def test_impossible_splits_are_refused(arguments, says):
    y = np.repeat([0, 1], [200, 50])
    with pytest.raises(ValueError, match=says):
        stratified(y, np.random.default_rng(0), **arguments)
