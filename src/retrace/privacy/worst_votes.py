"""Votes that leak most, and what a run of tokens then gives away: exactly, and by drawing.

Two tokens share `voters` votes and one voter changes sides. What a transcript says is how often the first
token came, so composition is a binomial law: its epsilon is what any sound accountant must reach.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import binom

from retrace.privacy.empirical import epsilon_lower_bound
from retrace.privacy.mechanisms import LimitedDomain

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Probability of the first token: of the data set, and with the record that moves a vote, per token.

    `steps` tokens, the record sampled afresh for each with probability `rate`.
    """

    without: float
    with_record: float
    steps: int
    rate: float = 1.0

    @property
    def mixed(self) -> float:
        """Probability of the first token when the record may be in the sample."""
        return (1 - self.rate) * self.without + self.rate * self.with_record


def pair(lead: float, epsilon0: float, steps: int, rate: float = 1.0) -> Pair:
    """The first token leads by `lead` votes, then a voter comes over: its log odds rise by 2 epsilon0."""
    return Pair(float(expit(epsilon0 * lead)), float(expit(epsilon0 * (lead + 2))), steps, rate)


def delta_of(found: Pair, epsilon: float) -> float:
    """The least delta at `epsilon` of the composed pair, exactly, the worse of adding and removing."""
    k = np.arange(found.steps + 1)
    log_p, log_q = (binom.logpmf(k, found.steps, p) for p in (found.mixed, found.without))
    return max(_hockey_stick(log_p, log_q, epsilon), _hockey_stick(log_q, log_p, epsilon))


def _hockey_stick(log_p: Floats, log_q: Floats, epsilon: float) -> float:
    above = log_p > log_q + epsilon
    return float((np.exp(log_p[above]) * -np.expm1(log_q[above] + epsilon - log_p[above])).sum())


def exact_epsilon(found: Pair, delta: float) -> float:
    """The least epsilon at `delta` of the composed pair, exactly."""
    if delta_of(found, 0.0) <= delta:
        return 0.0
    most = found.steps * 60.0
    return float(brentq(lambda e: delta_of(found, e) - delta, 0.0, most, xtol=1e-6))


def worst(
    epsilon0: float, steps: int, rate: float, delta: float, leads: range = range(-40, 41)
) -> tuple[int, float]:
    """The lead for which the exact epsilon is largest, and that epsilon: a floor under every sound bound."""
    found = [(exact_epsilon(pair(lead, epsilon0, steps, rate), delta), lead) for lead in leads]
    value, lead = max(found)
    return lead, value


@dataclass(frozen=True)
class Audit:
    """Counts of an attack by a threshold fixed beforehand, and the epsilon that they prove."""

    true_positives: int
    false_positives: int
    trials: int
    proved: float


def audit(
    mechanisms: tuple[LimitedDomain, LimitedDomain],
    lead: int,
    voters: int,
    steps: int,
    rate: float,
    delta: float,
    trials: int,
    rng: np.random.Generator,
) -> Audit:
    """Draw `trials` transcripts of each world from the mechanism and attack them; 95 % confidence.

    The first mechanism answers without the record, the second with it (the same, unless a test breaks one).
    The attack counts the first token; the threshold comes from the binomial law, not from the draws.
    """
    first = (voters + lead) // 2
    votes = ({0: first, 1: voters - first}, {0: first + 1, 1: voters - first - 1})
    law = pair(2 * first - voters, mechanisms[0].epsilon, steps, rate)
    cut = _threshold(law, delta)
    counts = []
    for record in (False, True):
        shares = [_share(mechanisms[int(w)], votes[int(w)]) for w in (False, True)]
        seen = np.zeros(trials, dtype=np.int64)
        for _ in range(steps):
            sampled = (rng.random(trials) < rate) if record else np.zeros(trials, dtype=bool)
            noise = [_draws(s, trials, mechanisms[int(w)].epsilon, rng) for w, s in enumerate(shares)]
            seen += np.where(sampled, noise[1], noise[0])
        counts.append(int((seen >= cut).sum()))
    proved = epsilon_lower_bound(counts[1], trials, counts[0], trials, delta)
    return Audit(counts[1], counts[0], trials, proved)


def _share(mechanism: LimitedDomain, votes: dict[int, int]) -> Floats:
    """Scores of the outcomes, the first token's first."""
    _, probabilities = mechanism.law(votes)
    order = [mechanism.law(votes)[0].index(0), *[i for i, b in enumerate(mechanism.law(votes)[0]) if b != 0]]
    return np.asarray(np.log(probabilities[order]) / mechanism.epsilon)


def _draws(scores: Floats, trials: int, epsilon0: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whether Gumbel noise lets the first outcome win, trial by trial."""
    noisy = scores[:, None] + rng.gumbel(scale=1 / epsilon0, size=(len(scores), trials))
    return np.asarray(noisy.argmax(0) == 0)


def _threshold(law: Pair, delta: float) -> int:
    """The count from which the binomial laws prove most, by hits or by misses, at rates that draws show."""
    k = np.arange(law.steps + 1)
    tpr, fpr = (binom.sf(k - 1, law.steps, p) for p in (law.mixed, law.without))
    gains = [_gain(hit - delta, error) for hit, error in ((tpr, fpr), (1 - fpr, 1 - tpr))]
    return int(np.maximum(*gains).argmax())


def _gain(hit: Floats, error: Floats) -> Floats:
    """Log of hits over errors, an error that draws would not show taken for one in a thousand."""
    found: Floats = np.log(np.maximum(hit, 1e-3)) - np.log(np.maximum(error, 1e-3))
    return np.where(hit > 1e-3, found, -np.inf)
