import math

import numpy as np
import pytest
from scipy.special import softmax

from retrace.attacks.arrays import AttackError
from retrace.attacks.membership.likelihoods import log_likelihood
from retrace.attacks.membership.rmia import rmia_offline
from retrace.attacks.membership.signals import loss
from retrace.attacks.roc import auc

RNG = np.random.default_rng(0)
Z, Y = RNG.normal(0, 3, (4, 30, 6)), RNG.integers(0, 6, 30)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_softmax_at_a_temperature_is_its_textbook_formula(temperature):
    expected = softmax(Z / temperature, axis=-1)[:, np.arange(30), Y]
    np.testing.assert_allclose(np.exp(log_likelihood(Z, Y, temperature=temperature)), expected, rtol=1e-12)


def test_temperature_one_is_the_plain_probability_and_two_the_default():
    np.testing.assert_array_equal(log_likelihood(Z, Y, temperature=1.0), -loss(Z, Y))
    np.testing.assert_array_equal(log_likelihood(Z, Y), -loss(Z / 2, Y))


@pytest.mark.parametrize(("order", "margin", "temperature"), [(4, 0.6, 2.0), (2, 0.0, 1.0), (6, 1.5, 3.0)])
def test_taylor_softmax_term_by_term(order, margin, temperature):
    found = log_likelihood(Z, Y, signal="taylor", order=order, margin=margin, temperature=temperature)

    def series(v):
        return sum(v**k / math.factorial(k) for k in range(order + 1))

    for k in range(4):
        for n in range(30):
            u = Z[k, n] / temperature
            own = series(u[Y[n]] - margin)
            rest = sum(series(u[c]) for c in range(6) if c != Y[n])  # the label is not among the rest
            assert found[k, n] == pytest.approx(math.log(own / (own + rest)), abs=1e-10)


def test_nothing_overflows_or_exceeds_one():
    z = np.array([[1e60, -1e60, 0.0], [300.0, 0.0, 0.0], [-1.0, 1.0, 0.0]])
    for signal in ("softmax", "taylor"):
        for label in range(3):
            with np.errstate(all="raise", under="ignore"):
                found = log_likelihood(z, np.full(3, label), signal=signal)
            assert np.isfinite(found).all()
            assert (found <= 0).all()


def test_a_temperature_tells_saturated_members_apart():
    """Sure models: at temperature 1 every p is 1 but for rounding of the ratio's size."""
    inside = np.arange(1000) < 500
    hard = RNG.normal(14, 4, 1000)

    def outputs(gain):
        return np.stack([hard + gain + RNG.normal(size=1000), np.zeros(1000)], axis=-1)

    target, shadows = outputs(2.0 * inside), np.stack([outputs(0.0) for _ in range(4)])
    z = np.stack([RNG.normal(14, 4, 200), np.zeros(200)], axis=-1)
    labels, z_labels = np.zeros(1000, dtype=int), np.zeros(200, dtype=int)
    area = {}
    for temperature in (1.0, 5.0):
        x = [log_likelihood(part, labels, temperature=temperature) for part in (target, shadows)]
        p = log_likelihood(np.stack([z] * 5), z_labels, temperature=temperature)
        area[temperature] = auc(rmia_offline(*x, p[0], p[1:], gamma=1.0, ties="kept"), inside)
    assert area[5.0] > area[1.0] + 0.02


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"temperature": 0.0}, "temperature: above 0"),
        ({"signal": "relu"}, "choose softmax or taylor"),
        ({"signal": "taylor", "order": 3}, "the order is even"),
        ({"signal": "taylor", "order": 0}, "the order is even"),
        ({"signal": "taylor", "margin": -1.0}, "the margin not negative"),
    ],
)
def test_settings_out_of_range_are_refused(how, says):
    with pytest.raises(AttackError, match=says):
        log_likelihood(Z, Y, **how)


def test_bad_arrays_are_refused_by_both():
    for signal in ("softmax", "taylor"):
        with pytest.raises(AttackError, match="labels run from 0 to 5"):
            log_likelihood(Z, np.full(30, 6), signal=signal)
        with pytest.raises(AttackError, match="not finite"):
            log_likelihood(np.full((1, 3), np.nan), [0], signal=signal)
