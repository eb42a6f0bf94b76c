"""Selections from votes under differential privacy: their exact probabilities, and draws from them.

A voter's change moves one vote between two bins. Gumbel noise of scale 1/epsilon makes a selection an
exponential mechanism: outcome i has probability proportional to exp(epsilon * score_i).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from retrace.privacy.exact import exponential_draw
from retrace.stage import StageError

Floats = npt.NDArray[np.float64]
Votes = Mapping[int, int]  # bin -> votes, bins without a vote left out
MOVED = 2  # bins that a changed voter touches


@dataclass(frozen=True)
class LimitedDomain:
    """The top bin of a histogram over `size` bins, found among its `top` largest alone, or nothing.

    (2 epsilon, delta)-private when a voter changes; `missing`: bins without votes fill the `top` up, too,
    as in DP-OPT's code. StageError for parameters out of range.
    Source: Durfee and Rogers (NeurIPS 2019), algorithm for top-1.
    """

    epsilon: float
    delta: float
    size: int
    top: int = 10
    missing: bool = True

    def __post_init__(self) -> None:
        """Refuse what protects nothing."""
        _check_epsilon(self.epsilon)
        if not 0 < self.delta < 1:
            raise StageError(f"privacy: delta {self.delta:g} must lie between 0 and 1")
        if not 1 <= self.top < self.size:
            raise StageError(
                f"privacy: top {self.top} must lie between 1 and the bins less one ({self.size})"
            )

    @property
    def margin(self) -> float:
        """How far the threshold stands above the votes of the first bin that is left out."""
        touched = min(MOVED, self.top, self.size - self.top)
        return 1 + math.log(touched / self.delta) / self.epsilon

    def law(self, votes: Votes) -> tuple[list[int | None], Floats]:
        """Outcomes and their probabilities; None is nothing, -1 all bins without votes together."""
        bins, scores = self._candidates(votes)
        return bins, np.asarray(softmax(self.epsilon * scores), dtype=np.float64)

    def draw(self, votes: Votes, rng: np.random.Generator, exact: bool = False) -> int | None:
        """A bin, or None; with `exact` by rational arithmetic, since rounded noise is no proof."""
        bins, scores = self._candidates(votes)
        blank = self._blanks(votes)
        slots = [(i, float(s)) for i, s in enumerate(scores[: len(bins) - bool(blank)])]
        slots += [(len(bins) - 1, 0.0)] * blank
        values = np.array([score for _, score in slots])
        if exact:
            at = exponential_draw(self.epsilon, [s for _, s in slots], rng)
        else:
            at = int((values + rng.gumbel(scale=1 / self.epsilon, size=len(slots))).argmax())
        found = bins[slots[at][0]]
        return _unvoted(votes, self.size, rng) if found == -1 else found

    def _blanks(self, votes: Votes) -> int:
        return max(self.top - len(votes), 0) if self.missing else 0

    def _candidates(self, votes: Votes) -> tuple[list[int | None], Floats]:
        """Outcomes with their scores; the blank ones as one outcome of their joint weight."""
        ordered = _ranked(votes)
        kept, rest = ordered[: self.top], ordered[self.top :]
        bins: list[int | None] = [token for token, _ in kept]
        scores = [float(count) for _, count in kept]
        bins.append(None)
        scores.append((rest[0][1] if rest else 0) + self.margin)
        if blank := self._blanks(votes):
            bins.append(-1)
            scores.append(math.log(blank) / self.epsilon)
        return bins, np.array(scores)


@dataclass(frozen=True)
class NoisyMax:
    """Report-noisy-max over all `size` bins, by Gumbel noise: 2 epsilon-private when a voter changes."""

    epsilon: float
    size: int

    def __post_init__(self) -> None:
        """Refuse what protects nothing."""
        _check_epsilon(self.epsilon)

    def law(self, votes: Votes) -> Floats:
        """Probability of every bin (size,)."""
        return np.asarray(softmax(self.epsilon * _dense(votes, self.size)), dtype=np.float64)

    def draw(self, votes: Votes, rng: np.random.Generator, exact: bool = False) -> int:
        """A bin; with `exact` by rational arithmetic."""
        scores = _dense(votes, self.size)
        if exact:
            return exponential_draw(self.epsilon, scores.tolist(), rng)
        return int((scores + rng.gumbel(scale=1 / self.epsilon, size=self.size)).argmax())


@dataclass(frozen=True)
class PermuteAndFlip:
    """Permute-and-flip over all bins: never a worse choice than `NoisyMax` at the same epsilon.

    Source: McKenna and Sheldon (NeurIPS 2020).
    """

    epsilon: float
    size: int

    def __post_init__(self) -> None:
        """Refuse what protects nothing."""
        _check_epsilon(self.epsilon)

    def law(self, votes: Votes) -> Floats:
        """Probability of every bin (size,): bins come in random order, each is taken by a coin of its own."""
        coins = self._coins(votes)
        found = []
        for r, coin in enumerate(coins):  # at time u of [0, 1] every other bin that came before has failed
            others = np.polynomial.Polynomial([1.0])
            for s, other in enumerate(coins):
                if s != r:
                    others = others * np.polynomial.Polynomial([1.0, -other])
            found.append(coin * float(others.integ()(1.0)))
        return np.array(found)

    def draw(self, votes: Votes, rng: np.random.Generator) -> int:
        """A bin."""
        coins = self._coins(votes)
        while True:
            for at in rng.permutation(self.size):
                if rng.random() < coins[at]:
                    return int(at)

    def _coins(self, votes: Votes) -> Floats:
        scores = _dense(votes, self.size)
        return np.asarray(np.exp(self.epsilon * (scores - scores.max())), dtype=np.float64)


def best_of(correct: Sequence[int], epsilon: float, rng: np.random.Generator, exact: bool = False) -> int:
    """Which candidate has most validation records right, by the exponential mechanism.

    One record adds at most 1 to every candidate's count, so it is epsilon-private when a record is added or
    deleted. StageError without candidates or for epsilon out of range.
    """
    _check_epsilon(epsilon)
    if not correct:
        raise StageError("privacy: nothing to select from; give at least one candidate")
    if exact:
        return exponential_draw(epsilon, [float(c) for c in correct], rng)
    return int((np.array(correct) + rng.gumbel(scale=1 / epsilon, size=len(correct))).argmax())


def _check_epsilon(epsilon: float) -> None:
    if not 0 < epsilon < 350:
        raise StageError(f"privacy: epsilon {epsilon:g} must be positive and below 350")


def _ranked(votes: Votes) -> list[tuple[int, int]]:
    """Bins by votes, most first; ties by bin, so that the order is no secret's."""
    return sorted(((b, c) for b, c in votes.items() if c > 0), key=lambda pair: (-pair[1], pair[0]))


def _dense(votes: Votes, size: int) -> Floats:
    scores = np.zeros(size)
    for token, count in votes.items():
        scores[token] = count
    return scores


def _unvoted(votes: Votes, size: int, rng: np.random.Generator) -> int:
    while True:
        found = int(rng.integers(size))
        if not votes.get(found):
            return found
