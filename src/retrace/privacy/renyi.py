"""Renyi differential privacy of selections: curves, amplification by sampling, and conversion to epsilon.

A curve is an array (A,) of Renyi divergences at `ORDERS`, in nats. Neighbours differ in one record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, logsumexp

from retrace.stage import StageError

Floats = npt.NDArray[np.float64]
Curve = Callable[[Floats], Floats]
Amplified = Literal["proven", "unproven", "official"]
ORDERS: Floats = np.arange(2, 200, dtype=np.float64)


def bounded_range(eta: float, orders: Floats = ORDERS) -> Floats:
    """Tight divergences of a mechanism whose log ratios of neighbours span at most `eta`.

    A selection by Gumbel noise of scale 1/e has range 2e when one vote moves, e when one is added.
    Source: Dong, Durfee and Rogers (ICML 2020), here with the maximum over t in closed form.
    """
    _positive("range", eta)
    log_a = np.log(-np.expm1(-orders * eta))
    t = np.log((orders - 1) / orders) + log_a + eta - np.log(-np.expm1(-(orders - 1) * eta))
    t = np.clip(t, 0.0, eta)
    found: Floats = t + (log_a - np.log(orders) - np.log(-np.expm1(-eta))) / (orders - 1)
    return found


def pure(epsilon: float, orders: Floats = ORDERS) -> Floats:
    """Tight divergences of any epsilon-private mechanism (those of randomised response)."""
    _positive("epsilon", epsilon)
    a, e = orders, epsilon
    # ln (sinh(a e) - sinh((a-1) e)) / sinh e, with e^(a e) taken out so that nothing overflows
    top = -np.expm1(-e) - np.exp(-2 * a * e) + np.exp(-(2 * a - 1) * e)
    found: Floats = (a * e + np.log(top) - e - np.log(-np.expm1(-2 * e))) / (a - 1)
    return found


def official(epsilon: float, orders: Floats = ORDERS) -> Floats:
    """What DP-OPT's released code says of LimitedDomain with noise of scale 1/`epsilon`: too little.

    It is the bound of an epsilon-private mechanism, but a vote that moves makes it 2 epsilon-private.
    Kept to show what it claims; no study spends a budget by it.
    """
    return np.minimum(orders * epsilon**2 / 2, pure(epsilon, orders))


def poisson(curve: Curve, rate: float, failure: float = 0.0, form: Amplified = "proven") -> Floats:
    """Divergences when every record enters with probability `rate` (add or remove one record).

    `failure` is the mechanism's own delta, which makes the sample's effective rate slightly smaller. Forms:
    "proven" is the general bound; "unproven" leaves its factor 3 out, which is proven for some mechanisms
    only; "official" is that of the released code, which takes order j + 1 for j.
    Source: Zhu and Wang (ICML 2019), theorem 5.
    """
    _rate(rate)
    if rate == 1.0:
        return curve(ORDERS)
    q = rate * (1 - failure) / (1 - rate * failure)
    a, j = ORDERS[:, None], np.arange(2, ORDERS[-1] + 1)[None]
    at_j = (j - 1) * curve(j[0])[None]
    later = j * curve(j[0] + 1)[None] if form == "official" else at_j
    exponent = np.where(j == 2, at_j, later)
    factor = np.log(3.0) if form == "proven" else 0.0
    with np.errstate(invalid="ignore"):
        terms = _log_binomial(a, j) + j * np.log(q) + (a - j) * np.log1p(-q) + exponent
    terms = np.where(j > a, -np.inf, terms + np.where(j > 2, factor, 0.0))
    first = (ORDERS - 1) * np.log1p(-q) + np.log1p((ORDERS - 1) * q)
    found: Floats = logsumexp(np.column_stack([first, terms]), axis=1) / (ORDERS - 1)
    # sampling never costs: the mechanism alone bounds it, too (quasi-convexity)
    return np.minimum(found, curve(ORDERS))


def without_replacement(curve: Curve, largest: float, rate: float) -> Floats:
    """Divergences when a share `rate` of the groups is drawn without replacement (replace one record).

    `largest` is the divergence of order infinity (2 e for a selection that is 2 e-private).
    Source: Wang, Balle and Kasiviswanathan (AISTATS 2019), theorem 9.
    """
    _rate(rate)
    if rate == 1.0:
        return curve(ORDERS)
    a, j = ORDERS[:, None], np.arange(2, ORDERS[-1] + 1)[None]
    eps = curve(j[0])[None]
    two = eps[0, 0]
    grown = np.log(np.expm1(largest))  # ln (e^eps(inf) - 1)
    square = min(np.log(4 * np.expm1(two)), two + min(np.log(2.0), 2 * grown))
    others = (j - 1) * eps + np.minimum(np.log(2.0), j * grown)
    terms = _log_binomial(a, j) + j * np.log(rate) + np.where(j == 2, square, others)
    terms = np.where(j > a, -np.inf, terms)
    found: Floats = np.logaddexp(0.0, logsumexp(terms, axis=1)) / (ORDERS - 1)
    return np.minimum(found, curve(ORDERS))


def epsilon(divergences: Floats, delta: float) -> float:
    """The least epsilon at `delta` that divergences (A,) at `ORDERS` prove; never below 0.

    Source: Canonne, Kamath and Steinke (NeurIPS 2020), proposition 12.
    """
    if not 0 < delta < 1:
        raise StageError(f"privacy: delta {delta:g} must lie between 0 and 1")
    each = divergences + np.log1p(-1 / ORDERS) - (np.log(delta) + np.log(ORDERS)) / (ORDERS - 1)
    return max(float(each.min()), 0.0)


def _log_binomial(n: Floats, k: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        found: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1)
    return found


def _positive(what: str, value: float) -> None:
    if not 0 < value < 700:
        raise StageError(f"privacy: {what} {value:g} must be positive and below 700")


def _rate(rate: float) -> None:
    if not 0 < rate <= 1:
        raise StageError(f"privacy: sampling rate {rate:g} must lie in (0, 1]; 1 samples nothing")
