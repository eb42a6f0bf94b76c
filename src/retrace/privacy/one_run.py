"""Epsilon from below by one training run in which every audited example was in or out by its own coin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, expit, gammaln, xlog1py, xlogy

from retrace.stage import StageError

SHARES = (0.02, 0.1, 0.4, 1.0)  # of the examples that are guessed about; the surest ones


@dataclass(frozen=True)
class OneRun:
    """The bound, and the guesses that gave it: how many were made about how many examples, how many right."""

    epsilon: float
    guesses: int
    correct: int
    examples: int


def epsilon_one_run(
    scores: npt.ArrayLike,
    member: npt.ArrayLike,
    *,
    delta: float = 1e-5,
    level: float = 0.95,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
) -> OneRun:
    """Return the epsilon that the training exceeds with confidence `level`, 0 where nothing is proved.

    `scores` (n,), higher = member; `member` (n,) bool: drawn by a fair coin for every example, or the bound
    proves nothing. For each of `shares` the most and the least suspicious examples, half each, are guessed to
    be members and non-members; the best bound holds, since all share the level (Bonferroni). Of unequal
    sides the larger is thinned out at random; ties are broken at random, by `seed`.
    StageError for a setting out of range, or a side without examples.
    Source: Steinke, Nasr and Jagielski, Privacy auditing with one (1) training run (NeurIPS 2023).
    """
    s, inside = np.asarray(scores, dtype=np.float64), np.asarray(member).astype(bool)
    if s.ndim != 1 or s.shape != inside.shape or not np.isfinite(s).all():
        raise StageError(f"one-run audit: finite scores (n,) and member (n,); got {s.shape}, {inside.shape}")
    if not 0 <= delta < 1 or not 0 < level < 1 or not shares or not all(0 < q <= 1 for q in shares):
        raise StageError(
            f"one-run audit: delta {delta:g} and level {level:g} lie below 1, shares {list(shares)} in (0, 1]"
        )
    fewest = min(int(inside.sum()), int((~inside).sum()))
    if not fewest:
        raise StageError("one-run audit: members and non-members are needed")
    random = np.random.default_rng(seed)
    kept = np.concatenate([random.permutation(np.flatnonzero(side))[:fewest] for side in (inside, ~inside)])
    ranked = kept[np.lexsort((random.random(len(kept)), -s[kept]))]  # the most suspicious first
    each = 1 - (1 - level) / len(shares)
    found = []
    for half in {max(1, round(share * fewest)) for share in shares}:
        right = int(inside[ranked[:half]].sum() + (~inside[ranked[-half:]]).sum())
        bound = epsilon_of_guesses(right, 2 * half, len(kept), delta, each)
        found.append(OneRun(bound, 2 * half, right, len(kept)))
    return max(found, key=lambda one: (one.epsilon, one.guesses))


def epsilon_of_guesses(
    correct: int, guesses: int, examples: int, delta: float = 0.0, level: float = 0.95
) -> float:
    """The epsilon exceeded with confidence `level` where `correct` of `guesses` about `examples` were right.

    StageError unless 0 <= correct <= guesses <= examples and there is a guess.
    """
    if not 0 <= correct <= guesses <= examples or guesses < 1:
        raise StageError(
            f"one-run audit: {correct} right of {guesses} guesses about {examples} examples; each is at most "
            "the next, and there is a guess"
        )
    low, high = 0.0, 1.0
    if p_value(correct, guesses, examples, low, delta) > 1 - level:
        return 0.0
    while p_value(correct, guesses, examples, high, delta) <= 1 - level:
        low, high = high, 2 * high
        if high > 64:  # the probability of an error is lost in rounding
            return low
    for _ in range(40):
        middle = (low + high) / 2
        within = p_value(correct, guesses, examples, middle, delta) <= 1 - level
        low, high = (middle, high) if within else (low, middle)
    return low


def p_value(correct: int, guesses: int, examples: int, epsilon: float, delta: float) -> float:
    """Largest probability of so many right guesses or more under (epsilon, delta)-privacy.

    P(B >= v) + 2 m delta max_i P(v > B >= v - i) / i for v right guesses about m examples and B binomial
    with probability e^epsilon / (1 + e^epsilon) (theorem 5.2 and appendix D of the paper).
    """
    right = float(expit(epsilon))
    tail = float(betainc(correct, guesses - correct + 1, right)) if correct else 1.0
    if not delta or not correct:
        return min(1.0, tail)
    at = np.arange(correct - 1, -1, -1)  # v - 1, v - 2, ... 0
    log = gammaln(guesses + 1) - gammaln(at + 1) - gammaln(guesses - at + 1)
    mass = np.exp(log + xlogy(at, right) + xlog1py(guesses - at, -right))
    most = float((np.cumsum(mass) / np.arange(1, correct + 1)).max())
    return min(1.0, tail + 2 * examples * delta * most)
