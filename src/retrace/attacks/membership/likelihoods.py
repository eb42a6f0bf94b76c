"""The label's likelihood at a temperature, as RMIA takes it, in logarithms from logits.

At temperature 1 sure models say 1 for members and non-members alike; a higher one tells them apart again.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from retrace.attacks.arrays import AttackError, Floats
from retrace.attacks.membership.signals import loss, split_label

Signal = Literal["softmax", "taylor"]
TEMPERATURE = 2.0  # LeakPro's default


def log_likelihood(
    logits: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    signal: Signal = "softmax",
    temperature: float = TEMPERATURE,
    order: int = 4,
    margin: float = 0.6,
) -> Floats:
    """Return the logarithm of the label's likelihood, at most 0, shape (...) for logits (...,C).

    "softmax": of u = logits / temperature. "taylor": the soft-margin Taylor softmax, e(u_y - margin) over
    itself plus e(u_c) of the other classes, e the exponential's series up to the even `order`; `order` and
    `margin` count for it alone. It depends on the logits' level: of log-probabilities it is another number.
    AttackError for settings out of range. Source: Zarifzadeh et al. (ICML 2024), appendix on signals.
    """
    if not temperature > 0:
        raise AttackError(f"temperature: above 0 (1 is plain softmax); got {temperature:g}")
    if signal == "softmax":
        return -loss(np.asarray(logits, dtype=np.float64) / temperature, labels)
    if signal != "taylor":
        raise AttackError(f"signal {signal!r} is not known; choose softmax or taylor")
    if order < 2 or order % 2 or not 0 <= margin < math.inf:
        raise AttackError(
            f"taylor: the order is even, from 2, and the margin not negative; got {order} and {margin:g}"
        )
    own, others = split_label(np.asarray(logits, dtype=np.float64) / temperature, labels)
    top = _log_series(own - margin, order)  # (...)
    rest: Floats = logsumexp(_log_series(others, order), axis=-1)
    return -np.logaddexp(0.0, rest - top)


def _log_series(v: Floats, order: int) -> Floats:
    """log of the sum of v^k / k! for k from 0 to an even order; far from 0 the largest power is taken out."""
    far = np.abs(v) > 1
    size = np.where(far, v, 1.0)
    powers = range(order + 1)
    near = sum(np.where(far, 0.0, v) ** k / math.factorial(k) for k in powers)
    scaled = sum(size ** float(k - order) / math.factorial(k) for k in powers)
    series: Floats = np.where(far, order * np.log(np.abs(size)) + np.log(scaled), np.log(near))
    return series
