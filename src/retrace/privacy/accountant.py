"""What a run of private releases has spent: an accountant that knows mechanisms only by their curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from retrace.privacy.renyi import (
    ORDERS,
    Amplified,
    Curve,
    Floats,
    bounded_range,
    epsilon,
    official,
    poisson,
    pure,
    without_replacement,
)
from retrace.stage import StageError

Sampling = Literal["none", "poisson", "without_replacement"]


@dataclass(frozen=True)
class Query:
    """One private release: its Renyi curve, how its records are sampled, and its own delta.

    `largest` is its divergence of order infinity. `form` is that of `renyi.poisson`.
    """

    name: str
    curve: Curve
    largest: float
    sampling: Sampling = "none"
    rate: float = 1.0
    failure: float = 0.0
    form: Amplified = "proven"

    @cached_property
    def cost(self) -> Floats:
        """Its divergences at `ORDERS`, computed once."""
        if self.sampling == "none":
            return self.curve(ORDERS)
        if self.sampling == "poisson":
            return poisson(self.curve, self.rate, self.failure, self.form)
        return without_replacement(self.curve, self.largest, self.rate)

    @property
    def delta(self) -> float:
        """What it adds to delta: a record that is not in the sample cannot fail."""
        return self.rate * self.failure


def token(
    epsilon0: float,
    delta0: float,
    rate: float = 1.0,
    sampling: Sampling = "none",
    official_formula: bool = False,
) -> Query:
    """One token by LimitedDomain, a changed record moving one vote; `official_formula` is the wrong one."""
    if official_formula:
        return Query("token", lambda a: official(epsilon0, a), epsilon0, sampling, rate, delta0, "official")
    return Query("token", lambda a: bounded_range(2 * epsilon0, a), 2 * epsilon0, sampling, rate, delta0)


def selection(epsilon0: float) -> Query:
    """The choice of the final prompt: each count changes by at most one, all the same way."""
    return Query("selection", lambda a: bounded_range(epsilon0, a), epsilon0)


def any_private(epsilon0: float) -> Query:
    """Any mechanism of which no more is known than that it is epsilon0-private."""
    return Query("pure", lambda a: pure(epsilon0, a), epsilon0)


class Accountant:
    """Adds up queries; `history` holds (name, count) in order, failures and retries included."""

    def __init__(self) -> None:
        self.history: list[tuple[str, int]] = []
        self._divergences = np.zeros(len(ORDERS))
        self._delta = 0.0

    def step(self, query: Query, count: int = 1) -> None:
        """Note that `query` was asked `count` times. ValueError for a negative count."""
        if count < 0:
            raise ValueError(f"a query is asked 0 times or more, not {count}")
        if count:
            self.history.append((query.name, count))
            self._divergences = self._divergences + count * query.cost
            self._delta += count * query.delta

    def epsilon(self, delta: float) -> float:
        """Epsilon at `delta` in all, of which the queries' own deltas have their part; 0 before any query.

        Infinite where these have used `delta` up. StageError for delta out of range.
        """
        _check(1.0, delta)
        if not self.history:
            return 0.0
        left = delta - self._delta
        return epsilon(self._divergences, left) if left > 0 else float("inf")


def in_parallel(parts: Sequence[Accountant], delta: float) -> float:
    """Epsilon of several accountants over disjoint records: the largest."""
    return max((part.epsilon(delta) for part in parts), default=0.0)


def spent(query: Query, most: int, delta: float) -> Floats:
    """Epsilon after 0, 1, ... `most` queries, a table (most + 1,): a look-up instead of an accountant.

    Infinite where the queries' own deltas exceed `delta`.
    """
    _check(1.0, delta)
    count = np.arange(most + 1, dtype=np.float64)[:, None]
    left = delta - count * query.delta
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = np.log1p(-1 / ORDERS) - (np.log(left) + np.log(ORDERS)) / (ORDERS - 1)
    found = np.where(left[:, 0] > 0, np.maximum((count * query.cost + offset).min(1), 0.0), np.inf)
    found[0] = 0.0
    return found


def affordable(query: Query, target: float, delta: float, most: int = 100_000) -> int:
    """How many queries keep to epsilon `target` at `delta` in all; 0 when not even one does."""
    _check(target, delta)
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        counted = Accountant()
        counted.step(query, middle)
        low, high = (middle, high) if counted.epsilon(delta) <= target else (low, middle)
    return low


def noise_for(
    target: float, delta: float, tokens: int, delta0: float, rate: float, sampling: Sampling
) -> float:
    """The largest epsilon0 a token, to 1 %, with which `tokens` of them keep to `target`, by bisection.

    StageError when not even epsilon0 = 0.001 does: the budget is too small.
    """
    _check(target, delta)
    low, high = 1e-3, 20.0
    if affordable(token(low, delta0, rate, sampling), target, delta, tokens) < tokens:
        raise StageError(
            f"prompts: epsilon {target:g} at delta {delta:g} does not pay for {tokens} tokens; raise epsilon "
            "or delta, lower delta0, or ask for fewer tokens"
        )
    while high / low > 1.01:
        middle = (low * high) ** 0.5
        enough = affordable(token(middle, delta0, rate, sampling), target, delta, tokens) >= tokens
        low, high = (middle, high) if enough else (low, middle)
    return low


def pay_what_you_get(
    released: int, asked: int, epsilon0: float, delta0: float, slack: float
) -> tuple[float, float]:
    """Epsilon and delta when only released tokens are paid for in epsilon, and all that were asked in delta.

    Each token is epsilon0-bounded-range here (2 of the noise's own when a vote moves); `slack` is delta'.
    Source: Durfee and Rogers (NeurIPS 2019), theorem 3 (composition of bounded-range mechanisms).
    """
    if not 0 <= released <= asked:
        raise ValueError(f"{released} released of {asked} asked tokens cannot be")
    _check(epsilon0, slack)
    k, e = released, epsilon0
    root = float(np.sqrt(np.log(1 / slack)))
    ways = (
        k * e,
        k * e * float(np.expm1(e)) / (float(np.exp(e)) + 1) + e * root * float(np.sqrt(2 * k)),
        k * e * e / 2 + e * root * float(np.sqrt(k / 2)),
    )
    return min(ways), 2 * asked * delta0 + slack


def _check(target: float, delta: float) -> None:
    if not target > 0 or not np.isfinite(target):
        raise StageError(f"privacy: epsilon {target:g} must be positive and finite")
    if not 0 < delta < 1:
        raise StageError(
            f"privacy: delta {delta:g} must lie between 0 and 1; a usual one is 1 over the records"
        )
