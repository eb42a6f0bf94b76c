import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from retrace.attacks.arrays import AttackError
from retrace.attacks.membership.signals import (
    SIGNALS,
    confidence,
    entropy,
    hinge,
    label_rank,
    logit_scaled_confidence,
    loss,
    member_high,
    modified_entropy,
)


@pytest.fixture
def some():
    rng = np.random.default_rng(0)
    return rng.normal(0, 2, (3, 50, 5)), rng.integers(0, 5, 50)


def test_signals_are_their_textbook_formulas(some):
    z, y = some
    p = softmax(z, axis=-1)
    p_y = p[:, np.arange(50), y]
    others = np.ones((50, 5), dtype=bool)
    others[np.arange(50), y] = False
    rest = (p * np.log(1 - p))[:, others].reshape(3, 50, 4).sum(-1)
    expected = {
        "loss": -np.log(p_y),
        "confidence": p_y,
        "phi": np.log(p_y / (1 - p_y)),
        "entropy": -(p * np.log(p)).sum(-1),
        "modified_entropy": -(1 - p_y) * np.log(p_y) - rest,
        "correctness": (p.argmax(-1) == y) * 1.0,
        "rank": (z > z[:, np.arange(50), y][..., None]).sum(-1),
        "hinge": z[:, np.arange(50), y] - z[:, others].reshape(3, 50, 4).max(-1),
    }
    assert set(expected) == set(SIGNALS)
    for name, values in expected.items():
        np.testing.assert_allclose(SIGNALS[name][0](z, y), values, rtol=1e-10, atol=1e-13)


def test_saturated_predictions_keep_their_digits():
    z = np.array([[60.0, 0.0]])
    np.testing.assert_allclose(loss(z, [0]), np.exp(-60.0), rtol=1e-12)
    np.testing.assert_allclose(logit_scaled_confidence(z, [0]), 60.0)
    # p = (1 - q, q): both entropies are q (1 - log q) to first order in q = exp(-60)
    np.testing.assert_allclose(entropy(z, [0]), 61 * np.exp(-60.0), rtol=1e-9)
    np.testing.assert_allclose(modified_entropy(z, [0]), 2 * np.exp(-120.0), rtol=1e-9)


def test_nothing_overflows():
    z = np.array([[65504.0, -65504.0, 0.0], [1e300, -1e300, 0.0]])
    for name, (signal, _) in SIGNALS.items():
        for label in range(3):
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                assert np.isfinite(signal(z[:1], [label])).all(), name
    assert loss(z, [1, 1]).tolist() == [131008.0, 2e300]


def test_a_sure_right_answer_is_member_like():
    sure, unsure, wrong = [[6.0, 0, 0]], [[0.5, 0, 0]], [[0, 6.0, 0]]
    for name in SIGNALS:
        assert member_high(name, sure, [0]) >= member_high(name, unsure, [0])
        if name != "entropy":  # entropy knows no label
            assert member_high(name, sure, [0]) > member_high(name, wrong, [0])


@given(st.floats(-500, 500), st.integers(0, 2**32 - 1))
def test_a_shift_of_all_logits_changes_nothing(shift, seed):
    rng = np.random.default_rng(seed)
    z, y = rng.normal(0, 3, (4, 6)), rng.integers(0, 6, 4)
    for signal, _ in SIGNALS.values():
        np.testing.assert_allclose(signal(z + shift, y), signal(z, y), rtol=1e-6, atol=1e-9)


def test_equal_logits_count_half_in_the_rank():
    assert label_rank([[1.0, 1.0, 0.0, 2.0]], [0]).tolist() == [1.5]
    assert label_rank([[3.0, 1.0, 0.0, 2.0]], [0]).tolist() == [0.0]
    assert label_rank(np.zeros((2, 5)), [0, 4]).tolist() == [2.0, 2.0]


def test_two_classes_confidence_is_the_logistic_function():
    np.testing.assert_allclose(confidence([[1.5, 0.5]], [0]), 1 / (1 + np.exp(-1.0)))
    np.testing.assert_allclose(hinge([[1.5, 0.5]], [1]), -1.0)


@pytest.mark.parametrize(
    ("logits", "labels", "says"),
    [
        ([[np.inf, 0.0]], [0], "not finite"),
        ([[1.0]], [0], "at least 2 classes"),
        ([[1.0, 2.0]], [2], "from 0 to 1"),
        ([[1.0, 2.0]], [-1], "from 0 to 1"),
        ([[1.0, 2.0]], [0.0], "integers"),
        ([[1.0, 2.0]], [0, 1], "do not fit"),
    ],
)
def test_bad_input_is_refused(logits, labels, says):
    with pytest.raises(AttackError, match=says):
        loss(logits, labels)


def test_an_unknown_signal_is_refused():
    with pytest.raises(AttackError, match="choose one of loss"):
        member_high("los", [[1.0, 2.0]], [0])
