import numpy as np
import pytest
from scipy.stats import norm

from retrace.attacks.arrays import AttackError
from retrace.attacks.membership.label_only import noise_distance, right_copies
from retrace.attacks.membership.lira import lira
from retrace.attacks.membership.queries import flips_and_shifts, noisy_copies
from retrace.attacks.membership.signals import correctness
from retrace.attacks.roc import auc


def test_right_copies_count_answers_and_one_query_is_the_gap_attack():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(3, 20, 7, 4)), rng.integers(0, 4, 20)
    predicted = logits.argmax(-1)
    counted = right_copies(predicted, labels)
    assert counted.shape == (3, 20)
    assert counted[1, 5] == sum(int(answer) == labels[5] for answer in predicted[1, 5])
    np.testing.assert_array_equal(
        right_copies(predicted[..., :1], labels), correctness(logits[:, :, 0], labels)
    )


def test_the_distance_from_a_flat_boundary_is_found_again():
    direction = np.array([0.6, 0.8])
    points = np.outer([-1.0, 0.0, 0.3, 1.5], direction) + np.array([0.8, -0.6])  # distance along `direction`
    for sigma in (0.7, 1.4):
        asked = np.stack(list(noisy_copies(points, 20_000, sigma, seed=1)), axis=1)  # (4,Q,2)
        right = right_copies((asked @ direction > 0).astype(int), np.ones(4, dtype=int))
        found = noise_distance(right, 20_000, sigma)
        np.testing.assert_allclose(found[1:], [0.0, 0.3, 1.5], atol=0.05)
        assert found[0] == pytest.approx(-1.0, abs=0.05)


def test_none_and_all_right_stay_finite_and_levels_have_their_own_sigma():
    found = noise_distance(np.array([[0, 3], [10, 10]]), 10, [1.0, 2.0])
    assert found[0, 0] == pytest.approx(norm.ppf(0.5 / 11))
    assert found[0, 1] == pytest.approx(2 * norm.ppf(3.5 / 11))
    assert found[1, 1] == 2 * found[1, 0] == pytest.approx(2 * norm.ppf(10.5 / 11))


def test_distances_of_shadows_calibrate_those_of_the_target():
    rng = np.random.default_rng(2)
    member = np.argsort(rng.random((16, 1500)), axis=0) < 8
    inside = np.arange(1500) < 750
    hard = rng.normal(0.5, 1, 1500)

    def answers(seen):  # a model that remembers moves its boundary away from an example
        return rng.binomial(50, norm.cdf(hard + 0.5 * seen))

    target = noise_distance(answers(inside), 50)
    shadows = noise_distance(np.stack([answers(row) for row in member]), 50)
    calibrated = auc(lira(target, shadows, member, variance="fixed"), inside)
    assert calibrated > auc(target, inside) + 0.1


def test_noisy_copies_are_seeded_and_have_their_spread():
    x = np.zeros((200, 3, 5), dtype=np.float32)
    first = list(noisy_copies(x, 3, 0.5, seed=7))
    again = list(noisy_copies(x, 3, 0.5, seed=7))
    assert all(a.dtype == np.float32 for a in first)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert np.std(first) == pytest.approx(0.5, abs=0.01)


def test_images_move_and_are_mirrored_once_each():
    image = np.arange(2 * 5 * 6, dtype=np.float64).reshape(1, 2, 5, 6)
    copies = list(flips_and_shifts(image, 1))
    assert len(copies) == 18
    assert len({copy.tobytes() for copy in copies}) == 18
    np.testing.assert_array_equal(copies[0], image)
    np.testing.assert_array_equal(copies[9], image[..., ::-1])
    down_right = [c for c in copies[:9] if np.array_equal(c[..., 1:, 1:], image[..., :-1, :-1])]
    assert len(down_right) == 1
    np.testing.assert_array_equal(down_right[0][..., 0, 1:], image[..., 1, :-1])  # the edge is reflected
    assert len(list(flips_and_shifts(image, 2, flip=False))) == 9


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: right_copies(np.zeros(3, dtype=int), np.zeros(3, dtype=int)), r"\(...,N,Q\)"),
        (lambda: right_copies(np.zeros((3, 2)), np.zeros(3, dtype=int)), "labels are integers"),
        (lambda: right_copies(np.zeros((3, 2), dtype=int), np.zeros(4, dtype=int)), "labels: the shape"),
        (lambda: noise_distance(np.array([0.5]), 3), "whole numbers"),
        (lambda: noise_distance(np.array([4]), 3), "0 to 3 of 3 copies; got 4 to 4"),
        (lambda: noise_distance(np.array([1]), 0), "copies >= 1"),
        (lambda: noise_distance(np.array([1]), 3, 0.0), "sigma: positive"),
        (lambda: noise_distance(np.array([[1, 2]]), 3, [1.0]), "one for each of the last axis"),
        (lambda: flips_and_shifts(np.zeros((3, 8, 8)), 1), "images: the shape"),
        (lambda: flips_and_shifts(np.zeros((3, 1, 8, 8)), 8), "reach: from 1 to 7 pixels; got 8"),
        (lambda: noisy_copies(np.zeros((3, 8), dtype=np.uint8), 2, 1.0), "inputs: floats"),
        (lambda: noisy_copies(np.zeros((3, 8)), 0, 1.0), "copies from 1"),
        (lambda: noisy_copies(np.zeros((3, 8)), 2, 0.0), "sigma above 0"),
    ],
)
def test_odd_input_is_refused(call, says):
    with pytest.raises(AttackError, match=says):
        call()
