"""Attacks on diffusion models and the count of extracted images, against their definitions written out."""

import numpy as np
import pytest
import torch

from retrace.attacks.arrays import AttackError
from retrace.attacks.diffusion.loss import calibrated_scores, clid_scores, loss_scores, noise_errors
from retrace.attacks.diffusion.noise import check_images
from retrace.attacks.diffusion.pia import pia
from retrace.attacks.diffusion.secmi import secmi
from retrace.attacks.extraction.nearest import extracted, near_duplicates, nearest
from retrace.nets.diffusion.schedule import Schedule

PLAN = Schedule(200)
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (5, 1, 4, 4))


def predict(x, t):
    """Some smooth function of image and step."""
    return 0.3 * x * (1 + t / 100) + 0.1 * x[..., ::-1] ** 2 - 0.05


def official(x, stride, last, stop):
    """The official ladder: every inversion and every way back, then the pair at `stop`; calls counted."""
    a, calls, at, forth, back = PLAN.alpha, 0, x, {}, {}
    for t in range(0, last, stride):
        noise, calls = predict(at, t), calls + 1
        image = (at - np.sqrt(1 - a(t)) * noise) / np.sqrt(a(t))
        forth[t], at = at, np.sqrt(a(t + stride)) * image + np.sqrt(1 - a(t + stride)) * noise
        noise, calls = predict(at, t + stride), calls + 1
        image = (at - np.sqrt(1 - a(t + stride)) * noise) / np.sqrt(a(t + stride))
        back[t] = np.sqrt(a(t)) * image + np.sqrt(1 - a(t)) * noise
    return -((back[stop] - forth[stop]) ** 2).sum((1, 2, 3)), calls


def test_secmi_stops_early_with_the_official_scores():
    calls = []

    def counted(x, t):
        calls.append(t)
        return predict(x, t)

    ours = secmi(counted, PLAN.alpha, X, [140], 10)[140]
    theirs, all_calls = official(X, 10, 190, 140)
    assert np.allclose(ours, theirs, rtol=1e-10)
    assert len(calls) == 16
    assert all_calls == 38
    several = secmi(predict, PLAN.alpha, X, [50, 140], 10)
    assert np.allclose(several[50], official(X, 10, 190, 50)[0])
    assert np.allclose(several[140], theirs)


@pytest.mark.parametrize("stops", [[], [15], [0]])
def test_secmi_stops_are_multiples_of_the_stride(stops):
    with pytest.raises(AttackError, match="multiples of the stride 10"):
        secmi(predict, PLAN.alpha, X, stops, 10)


def test_a_model_that_knows_the_noise_has_no_error_and_arrays_of_torch_do_as_well():
    noises = RNG.normal(size=(2, 1, 4, 4))

    def knows(x, t):
        share = PLAN.alpha(t)
        return (x - np.sqrt(share) * X) / np.sqrt(1 - share)

    assert np.allclose(noise_errors(knows, PLAN.alpha, X, noises, [20, 80]), 0)
    errors = noise_errors(predict, PLAN.alpha, X, noises, [20, 80])
    by_hand = predict(np.sqrt(PLAN.alpha(80)) * X + np.sqrt(1 - PLAN.alpha(80)) * noises[1], 80) - noises[1]
    assert np.allclose(errors[1], (by_hand**2).sum((1, 2, 3)))
    flipped = [torch.from_numpy(v.copy()) for v in (X, noises)]
    again = noise_errors(lambda x, t: torch.from_numpy(predict(x.numpy(), t)), PLAN.alpha, *flipped, [20, 80])
    assert np.allclose(errors, torch.stack(again).numpy())
    with pytest.raises(AttackError, match="2 noises for 1 steps"):
        noise_errors(predict, PLAN.alpha, X, noises, [20])


def test_pia_is_its_definition_and_pian_rescales_the_noise():
    plainly, normal = pia(predict, PLAN.alpha, X, 100)
    noise = predict(X, 0)
    scaled = noise * np.sqrt(2 / np.pi) / np.abs(noise).mean((1, 2, 3), keepdims=True)
    for found, e in ((plainly, noise), (normal, scaled)):
        at = np.sqrt(PLAN.alpha(100)) * X + np.sqrt(1 - PLAN.alpha(100)) * e
        assert np.allclose(found, -(np.abs(predict(at, 100) - e) ** 4).sum((1, 2, 3)))


def test_scores_are_higher_for_lower_errors():
    own, other = np.array([[1.0, 4.0], [1.0, 2.0]]), np.array([[2.0, 3.0], [2.0, 3.0]])
    assert np.allclose(loss_scores(own), [-1, -3])
    assert np.allclose(calibrated_scores(own, other), np.log([2, 1]))
    assert np.allclose(clid_scores(own, other), [1, 0])
    with pytest.raises(AttackError, match="mean of squares is positive"):
        calibrated_scores(np.zeros((1, 2)), np.ones((1, 2)))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((2, 1, 8, 8)), r"the model takes \(1, 4, 4\), these are \(1, 8, 8\)"),
        (np.full((2, 1, 4, 4), 200.0), "lie outside"),
        (np.full((2, 1, 4, 4), np.nan), "lie outside"),
    ],
)
def test_images_of_a_wrong_size_or_range(x, words):
    with pytest.raises(AttackError, match=words) as error:
        check_images(x, (1, 4, 4))
    assert "\n" not in str(error.value)


def test_nearest_is_brute_force_whatever_the_block():
    drawn, known = RNG.random((23, 4, 4)), RNG.random((11, 4, 4))
    apart = np.sqrt(((drawn[:, None] - known) ** 2).mean((2, 3)))
    for block in (1, 5, 100):
        distance, which = nearest(drawn, known, block)
        assert np.array_equal(which, apart.argmin(1))
        assert np.allclose(distance, apart.min(1), rtol=1e-12)
    assert (nearest(known, known)[0] == 0).all()
    with pytest.raises(AttackError, match="16 values, known ones 9"):
        nearest(drawn, RNG.random((2, 3, 3)))


def test_an_image_counts_once_and_common_ones_do_not():
    private = np.stack([np.full((2, 2), v) for v in (0.0, 0.5, 0.9, 0.901, 0.902)])
    drawn = np.stack([np.full((2, 2), v) for v in (0.01, 0.02, 0.3, 0.9)])
    found = extracted(drawn, private, 0.05, most=2)
    assert found.found.tolist() == [0]
    assert found.hits == 3
    assert extracted(drawn, private, 0.05, most=3).found.tolist() == [0, 2]
    # a drawn image stands for its nearest alone, though others lie within the distance, too
    assert extracted(np.full((1, 2, 2), 0.69), private, 0.25).found.tolist() == [1]
    assert near_duplicates(private, 0.05).tolist() == [False, False, False, True, True]
    with pytest.raises(AttackError, match="a distance above 0"):
        extracted(drawn, private, 0.0)
