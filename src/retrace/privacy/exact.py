"""Draws whose probabilities hold to the last bit: no rounded noise, only whole random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np


def bernoulli(p: Fraction, rng: np.random.Generator) -> bool:
    """True with probability `p` in [0, 1], exactly."""
    return _below(p.denominator, rng) < p.numerator


def bernoulli_exp(gamma: Fraction, rng: np.random.Generator) -> bool:
    """True with probability exp(-gamma) for gamma >= 0, exactly.

    Source: Canonne, Kamath and Steinke, The discrete Gaussian (NeurIPS 2020), algorithm 1.
    """
    while gamma > 1:
        if not bernoulli_exp(Fraction(1), rng):
            return False
        gamma -= 1
    k = 1
    while bernoulli(gamma / k, rng):
        k += 1
    return k % 2 == 1


def exponential_draw(epsilon: float, scores: Sequence[float], rng: np.random.Generator) -> int:
    """A place in `scores` with probability proportional to exp(epsilon * score), exactly.

    Floats are taken as the binary fractions that they are: give a threshold that was rounded upwards. By
    rejection: a place is proposed evenly and kept by a coin; at most `len(scores)` tries in the mean.
    """
    rate, exact = Fraction(epsilon), [Fraction(score) for score in scores]
    most = max(exact)
    while True:
        at = _below(len(exact), rng)
        if bernoulli_exp(rate * (most - exact[at]), rng):
            return at


def _below(n: int, rng: np.random.Generator) -> int:
    """A whole number in [0, n), evenly, for n of any size."""
    words = -(-n.bit_length() // 32)
    while True:
        found = 0
        for word in rng.integers(0, 2**32, size=words):
            found = (found << 32) | int(word)
        found >>= 32 * words - n.bit_length()
        if found < n:
            return found
