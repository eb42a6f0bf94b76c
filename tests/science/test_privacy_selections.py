"""LimitedDomain and its kin: frequencies, exact laws, privacy of neighbours, records' groups."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from retrace.privacy.exact import bernoulli_exp, exponential_draw
from retrace.privacy.groups import by_hash, by_position
from retrace.privacy.mechanisms import LimitedDomain, NoisyMax, PermuteAndFlip, best_of
from retrace.stage import StageError

DRAWS = 6000


def frequencies(draw, outcomes, draws=DRAWS):
    seen = [draw() for _ in range(draws)]
    return np.array([seen.count(o) for o in outcomes])


def agrees(counts, law):
    expected = np.asarray(law) * counts.sum()
    few = expected < 5
    if few.any():  # a chi-square test needs some of each
        counts, expected = (np.append(v[~few], v[few].sum()) for v in (counts, expected))
        counts, expected = (v[expected > 0] for v in (counts, expected))
    return chisquare(counts, expected).pvalue > 1e-4


def law_of(mechanism, votes):
    """Probabilities by bin and for nothing, of a small domain."""
    bins, shares = mechanism.law(votes)
    found = dict.fromkeys([*range(mechanism.size), None], 0.0)
    blank = [b for b in range(mechanism.size) if not votes.get(b)]
    for b, share in zip(bins, shares, strict=True):
        if b == -1:
            for each in blank:
                found[each] += share / len(blank)
        else:
            found[b] += share
    return found


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("votes", [{0: 5, 1: 4}, {0: 3, 1: 3, 2: 2, 3: 1}, {2: 6}])
def test_limited_domain_draws_follow_its_law(exact, missing, votes):
    mechanism = LimitedDomain(0.7, 0.2, size=5, top=3, missing=missing)
    law = law_of(mechanism, votes)
    assert sum(law.values()) == pytest.approx(1)
    rng = np.random.default_rng(0)
    counts = frequencies(lambda: mechanism.draw(votes, rng, exact), list(law), 2000 if exact else DRAWS)
    assert agrees(counts, list(law.values()))


def test_the_law_by_hand():
    mechanism = LimitedDomain(1.0, 0.1, size=6, top=2, missing=False)
    threshold = 1 + 1 + math.log(2 / 0.1)  # one vote for the third bin, then the margin
    weights = np.exp([4.0, 2.0, threshold])
    assert list(law_of(mechanism, {0: 4, 1: 2, 2: 1}).values()) == pytest.approx(
        [*(weights / weights.sum())[:2], 0, 0, 0, 0, (weights / weights.sum())[2]]
    )
    blank = LimitedDomain(1.0, 0.1, size=6, top=3, missing=True)
    total = np.exp(4.0) + 2 + np.exp(1 + math.log(2 / 0.1))  # two bins without votes fill the three up
    assert law_of(blank, {0: 4})[3] == pytest.approx(2 / total / 5)


def histograms(voters, size):
    for split in itertools.product(range(voters + 1), repeat=size):
        if sum(split) == voters:
            yield {b: c for b, c in enumerate(split) if c}


@pytest.mark.parametrize("missing", [False, True])
def test_no_moved_vote_costs_more_than_it_says(missing):
    """All neighbours of a small domain: the hockey-stick divergence at 2 epsilon stays within delta."""
    mechanism = LimitedDomain(0.8, 0.05, size=4, top=2, missing=missing)
    worst = 0.0
    for votes in histograms(5, 4):
        p = law_of(mechanism, votes)
        for a, b in itertools.permutations(range(4), 2):
            if votes.get(a):
                moved = dict(votes)
                moved[a] -= 1
                moved[b] = moved.get(b, 0) + 1
                q = law_of(mechanism, {k: v for k, v in moved.items() if v})
                worst = max(worst, sum(max(p[o] - math.exp(1.6) * q[o], 0) for o in p))
    assert worst <= 0.05


def test_noisy_max_and_permute_and_flip_follow_their_laws():
    votes, rng = {0: 3, 1: 2, 3: 1}, np.random.default_rng(1)
    for mechanism in (NoisyMax(0.9, 4), PermuteAndFlip(0.9, 4)):
        law = mechanism.law(votes)
        assert law.sum() == pytest.approx(1)
        assert agrees(frequencies(lambda m=mechanism: m.draw(votes, rng), range(4)), law)
    exact = frequencies(lambda: NoisyMax(0.9, 4).draw(votes, rng, exact=True), range(4), 2000)
    assert agrees(exact, NoisyMax(0.9, 4).law(votes))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=5), st.floats(0.1, 2.0))
def test_permute_and_flip_never_chooses_worse(counts, epsilon):
    """Its expected votes are at least those of noisy max at half the noise's range (McKenna and Sheldon)."""
    votes, scores = dict(enumerate(counts)), np.array(counts)
    flip, noisy = (kind(epsilon, len(counts)).law(votes) @ scores for kind in (PermuteAndFlip, NoisyMax))
    assert flip >= noisy - 1e-9


def test_permute_and_flip_is_private():
    """Adding a vote changes no probability by more than e^epsilon, moving one by e^(2 epsilon)."""
    epsilon = 0.6
    for votes in histograms(4, 3):
        p = PermuteAndFlip(epsilon, 3).law(votes)
        for b in range(3):
            more = PermuteAndFlip(epsilon, 3).law({**votes, b: votes.get(b, 0) + 1})
            assert np.abs(np.log(more / p)).max() <= epsilon + 1e-9


def test_exact_coins():
    from fractions import Fraction

    rng = np.random.default_rng(2)
    for gamma in (Fraction(0), Fraction(1, 3), Fraction(7, 4)):
        hits = sum(bernoulli_exp(gamma, rng) for _ in range(4000))
        assert hits / 4000 == pytest.approx(math.exp(-gamma), abs=0.03)
    assert {exponential_draw(200.0, [0.0, 9.0], rng) for _ in range(20)} == {1}


def test_the_best_candidate_by_votes():
    rng = np.random.default_rng(3)
    law = np.exp(0.5 * np.array([3, 5, 4]))
    for exact in (False, True):
        counts = frequencies(lambda e=exact: best_of([3, 5, 4], 0.5, rng, e), range(3), 3000)
        assert agrees(counts, law / law.sum())


RECORDS = [f"record {i}" for i in range(60)]


def changed(groups, records):
    before = [[records[i] for i in g] for g in groups(records)]
    removed = records[:7] + records[8:]
    after = [[removed[i] for i in g] for g in groups(removed)]
    return sum(a != b for a, b in zip(before, after, strict=True))


def test_removing_a_record_moves_one_vote_here_and_all_later_ones_by_position():
    assert changed(lambda r: by_hash(r, 12, key=5), RECORDS) == 1
    assert changed(lambda r: by_position(r, 12), [*RECORDS, "one more"]) == 11  # all from its own on


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=6), min_size=5, max_size=30), st.integers(0, 2**62), st.data())
def test_groups_are_stable_for_any_records(records, key, data):
    gone = data.draw(st.integers(0, len(records) - 1))
    rest = records[:gone] + records[gone + 1 :]
    if len(rest) < 4:
        return
    full = [[records[i] for i in g] for g in by_hash(records, 4, key)]
    less = [[rest[i] for i in g] for g in by_hash(rest, 4, key)]
    assert sum(a != b for a, b in zip(full, less, strict=True)) == 1
    assert sorted(i for g in by_hash(records, 4, key) for i in g) == list(range(len(records)))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: by_hash(["a"], 2, 0), "2 groups of 1 records"),
        (lambda: by_position(["a"], 0), "0 groups"),
        (lambda: LimitedDomain(0.0, 0.1, 5, 2), "epsilon 0 must be positive"),
        (lambda: LimitedDomain(1.0, 1.0, 5, 2), "delta 1 must lie"),
        (lambda: LimitedDomain(1.0, 0.1, 5, 5), "top 5"),
        (lambda: NoisyMax(-1.0, 3), "epsilon -1"),
        (lambda: PermuteAndFlip(float("nan"), 3), "epsilon nan"),
        (lambda: best_of([], 1.0, np.random.default_rng(0)), "nothing to select"),
    ],
)
def test_odd_input_is_refused(call, says):
    with pytest.raises(StageError, match=says):
        call()
