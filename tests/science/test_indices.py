"""ARM, RESQUE, inv_ari and the composite: closed forms, invariances and edge cases."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from retrace.metrics.reuse.arm import ArmSpec, arm, layer_distance, sample_distance
from retrace.metrics.reuse.clustering import (
    adjusted_rand_index,
    class_means,
    class_sums,
    kmeans_clusters,
    lloyd,
)
from retrace.metrics.reuse.preindex import composite, inv_aris, pixel_change
from retrace.metrics.reuse.resque import resque_dist, resque_task

RNG = np.random.default_rng
SPECS = [
    ArmSpec("spatial_mean", hist, reduce, metric)
    for hist, reduce, metric in itertools.product(
        ("none", "own_range", "shared_range"),
        ("per_filter", "averaged", "flatten"),
        ("values_as_samples", "positions"),
    )
    if (hist, reduce) != ("none", "averaged")
]


def blobs(rng, classes=4, each=30, columns=6, spread=0.1):
    labels = np.repeat(np.arange(classes), each)
    centres = 5 * np.eye(classes, columns)
    return centres[labels] + spread * rng.normal(size=(len(labels), columns)), labels


@pytest.mark.parametrize("spec", SPECS)
def test_arm_of_identical_data_is_zero_and_of_shifted_data_is_not(spec):
    values = RNG(0).normal(size=(40, 7))
    assert arm({"a": values}, {"a": values}, spec) == pytest.approx(0, abs=1e-12)
    assert arm({"a": values}, {"a": values**3 + 1}, spec) > 0.001


def test_textbook_arm_of_a_translation_is_its_mean_length():
    values, moves = RNG(1).normal(size=(50, 3)), np.array([0.5, -1.0, 0.0])
    found = arm({"a": values, "b": values}, {"a": values + moves, "b": values})
    assert found == pytest.approx(0.5 / 2)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
@settings(deadline=None, max_examples=50)
def test_textbook_distance_is_scipys_for_any_two_sizes(many, few, seed):
    a, b = RNG(seed).normal(size=(many, 3)), RNG(seed + 1).normal(size=(few, 3))
    expected = [wasserstein_distance(a[:, column], b[:, column]) for column in range(3)]
    np.testing.assert_allclose(sample_distance(a, b), expected, atol=1e-12)


def test_own_range_discards_location_and_scale_and_shared_range_does_not():
    values = RNG(2).normal(size=(60, 4))
    moved = values * 3 + 7
    for reduce in ("per_filter", "averaged", "flatten"):
        own = ArmSpec(hist="own_range", reduce=reduce, metric="positions")
        shared = ArmSpec(hist="shared_range", reduce=reduce, metric="positions")
        assert layer_distance(values, moved, own) < 1e-2 < layer_distance(values, moved, shared)


def test_position_distance_of_two_ends_is_the_range():
    spec = ArmSpec(hist="shared_range", metric="positions", bins=64)
    found = layer_distance(np.zeros((5, 2)), np.ones((5, 2)), spec)
    assert found == pytest.approx(63 / 64)


def test_arm_refuses_other_layers_filters_and_averaged_samples():
    values = np.zeros((3, 2))
    with pytest.raises(ValueError, match="layers differ"):
        arm({"a": values}, {"b": values})
    with pytest.raises(ValueError, match="2 filters"):
        arm({"a": values}, {"a": np.zeros((3, 5))})
    with pytest.raises(ValueError, match="averages histograms"):
        ArmSpec(reduce="averaged")


def test_resque_closed_forms():
    sums = RNG(3).random((5, 8))
    turned = np.stack([[0.0, 1.0], [1.0, 0.0]])
    assert resque_dist(sums, sums) == 0
    assert resque_dist(sums, -sums) == 1
    assert resque_dist(np.eye(2), turned) == pytest.approx(0.5)
    assert resque_dist(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])) == pytest.approx(0.25)


@given(st.integers(0, 99), st.floats(0.01, 100), st.integers(1, 4))
@settings(deadline=None, max_examples=50)
def test_resque_ignores_positive_scale_and_repeated_images(seed, scale, times):
    rng = RNG(seed)
    clean, shifted = rng.normal(size=(12, 5)), rng.normal(size=(12, 5))
    labels = np.arange(12) % 3
    plain = resque_dist(class_sums(clean, labels, 3), class_sums(shifted, labels, 3))
    repeated = np.repeat(np.arange(12), np.where(labels == 1, times, 1))
    again = class_sums(shifted[repeated] * scale, labels[repeated], 3)
    assert resque_dist(class_sums(clean, labels, 3), again) == pytest.approx(plain, abs=1e-9)
    assert 0 <= plain <= 1


def test_resque_leaves_absent_classes_out_and_refuses_none():
    first = np.array([[1.0, 0.0], [0.0, 0.0]])
    assert resque_dist(first, np.array([[0.0, 2.0], [5.0, 5.0]])) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no class"):
        resque_dist(np.zeros((2, 2)), first)


def test_separated_embeddings_have_no_disagreement_and_random_ones_full():
    values, labels = blobs(RNG(4))
    assert inv_aris(values, labels, class_means(values, labels)) == {
        "inv_ari": 0,
        "inv_ari_noise1": 0,
        "inv_ari_kmeanspp": 0,
    }
    assert set(resque_task(values, values, labels).values()) == {0.0}
    shuffled = RNG(5).permutation(np.repeat(np.arange(4), 250))
    many = np.tile(values, (9, 1))[:1000]
    assert inv_aris(many, shuffled, values[:4])["inv_ari"] == pytest.approx(1, abs=0.02)


def test_one_class_agrees_with_itself():
    values, labels = RNG(6).normal(size=(10, 3)), np.full(10, 7)
    assert inv_aris(values, labels, values[:1])["inv_ari"] == 0
    assert resque_task(values, values, labels)["resque_task_kmeanspp"] == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=40))
@settings(deadline=None, max_examples=50)
def test_adjusted_rand_index_is_scikit_learns(pairs):
    a, b = np.array(pairs).T
    assert adjusted_rand_index(a, b) == pytest.approx(adjusted_rand_score(a, b))
    assert adjusted_rand_index(a, 9 - a) == 1


def test_lloyd_is_scikit_learns_from_the_same_centres():
    for seed in range(5):
        values, labels = blobs(RNG(seed), spread=2.0)
        start = class_means(values, labels) + RNG(seed).normal(size=(4, 6))
        expected = KMeans(4, init=start, n_init=1).fit(values).labels_
        assert adjusted_rand_index(lloyd(values, start), expected) == 1


def test_empty_cluster_keeps_its_centre():
    values = np.array([[0.0], [4.0], [6.0], [10.0]])
    found = lloyd(values, np.array([[0.0], [10.0], [500.0]]))
    np.testing.assert_array_equal(found, [0, 0, 1, 1])


def test_kmeans_is_deterministic_by_seed():
    values, _ = blobs(RNG(7), spread=3.0)
    np.testing.assert_array_equal(kmeans_clusters(values, 4, 3), kmeans_clusters(values, 4, 3))


def test_class_sums_and_means():
    values, labels = np.array([[1.0], [2.0], [4.0]]), np.array([2, 0, 2])
    np.testing.assert_array_equal(class_sums(values, labels, 4), [[2], [0], [5], [0]])
    np.testing.assert_array_equal(class_means(values, labels), [[2], [2.5]])
    with pytest.raises(ValueError, match=r"0\.\.1"):
        class_sums(values, labels, 2)
    with pytest.raises(ValueError, match="one label an image"):
        class_sums(values, labels[:2], 3)


def test_composite_by_hand():
    assert composite(0.2, 0.3, 0.1) == pytest.approx(0.5 / 1.05 - 0.9)
    assert composite(0.2, 0.3, 0.1, "mean") == pytest.approx(0.5 / 1.05 - 0.1)
    assert composite(0, 0, 0, "mean") == 0


def test_pixel_change_is_in_unit_pixels():
    black, white = -np.ones((2, 1, 3, 3)), np.ones((2, 1, 3, 3))
    assert pixel_change(black, white) == 1
    with pytest.raises(ValueError, match="pair them"):
        pixel_change(black, white[:1])
