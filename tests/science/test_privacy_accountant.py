"""The accountant of votes: closed forms, numerical floors, monotone; the official formula."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from retrace.privacy import accountant as acc
from retrace.privacy import renyi
from retrace.privacy.mechanisms import LimitedDomain
from retrace.privacy.worst_votes import audit, delta_of, exact_epsilon, pair, worst
from retrace.stage import StageError

SST2 = 66_675  # records of SST-2 less 1 %


def divergence(t, eta, order):
    p = (1 - math.exp(t - eta)) / (math.exp(t) - math.exp(t - eta))
    return math.log(p * math.exp(order * t) + (1 - p) * math.exp(order * (t - eta))) / (order - 1)


@pytest.mark.parametrize("eta", [0.3, 1.0, 3.6])
@pytest.mark.parametrize("order", [2.0, 8.0, 30.0])
def test_the_bounded_range_curve_is_its_maximum_over_t(eta, order):
    best = minimize_scalar(lambda t: -divergence(t, eta, order), bounds=(0, eta), method="bounded")
    found = renyi.bounded_range(eta, np.array([order]))[0]
    assert found == pytest.approx(-best.fun, rel=1e-6)
    assert found <= order * eta**2 / 8 + 1e-12  # the simple bound


def test_the_pure_curve_is_that_of_randomised_response():
    e, a = 1.3, 5.0
    p = math.exp(e) / (1 + math.exp(e))
    by_hand = math.log(p**a * (1 - p) ** (1 - a) + (1 - p) ** a * p ** (1 - a)) / (a - 1)
    assert renyi.pure(e, np.array([a]))[0] == pytest.approx(by_hand)


def test_the_official_formula_is_below_a_pair_of_real_votes():
    """Order by order: two tokens share the votes and one voter changes sides."""
    right, claimed = renyi.bounded_range(3.6), renyi.official(1.8)
    assert right[[0, 6, 62]] == pytest.approx([2.27, 3.17, 3.52], abs=0.005)
    assert claimed[[0, 6, 62]] == pytest.approx([1.65, 1.78, 1.80], abs=0.005)
    for order, bound, wrong in zip(renyi.ORDERS[[0, 6]], right[[0, 6]], claimed[[0, 6]], strict=True):
        real = 0.0
        for lead in np.arange(-12, 12, 0.25):
            law = pair(float(lead), 1.8, 1)
            p, q = (np.array([x, 1 - x]) for x in (law.with_record, law.without))
            real = max(real, math.log((p**order * q ** (1 - order)).sum()) / (order - 1))
        assert wrong < real <= bound + 1e-9
        assert real > 0.98 * bound


def test_tokens_at_the_paper_s_setting():
    """SST-2, 1,025 records a batch, epsilon 8: 550 tokens are proven, 783 were so without a factor 3."""
    rate = 1025 / SST2
    claimed = acc.token(1.8, 5e-7, rate, "poisson", official_formula=True)
    proven = acc.token(1.8, 5e-7, rate, "poisson")
    unproven = acc.Query("token", proven.curve, 3.6, "poisson", rate, 5e-7, "unproven")
    found = {}
    for name, query in (("claimed", claimed), ("proven", proven), ("unproven", unproven)):
        table = np.array([renyi.epsilon(t * query.cost, 5e-7) for t in range(1, 1500)])
        found[name] = int((table <= 8).sum())
    assert found == {
        "claimed": pytest.approx(1377, abs=1),
        "proven": pytest.approx(550, abs=1),
        "unproven": pytest.approx(783, abs=1),
    }
    assert worst(1.8, found["claimed"], rate, 1 / SST2, range(-6, 3))[1] > 8.2  # what real votes give away
    assert worst(1.8, found["proven"], rate, 1 / SST2, range(-6, 3))[1] < 8


@pytest.mark.parametrize(
    ("rate", "epsilon0", "values"),
    [
        (0.05, 1.0, (2.42, 3.89, 5.67)),
        (0.05, 1.5, (4.28, 6.68, 9.51)),
        (0.10, 0.5, (2.53, 4.02, 5.71)),
        (0.10, 1.0, (4.98, 8.37, 12.3)),
        (0.20, 0.5, (5.23, 8.56, 12.3)),
    ],
)
def test_without_replacement_by_hand(rate, epsilon0, values):
    table = acc.spent(acc.token(epsilon0, 1e-12, rate, "without_replacement"), 100, 1e-5)
    assert table[[20, 50, 100]] == pytest.approx(values, rel=0.005)


@settings(max_examples=30, deadline=None)
@given(
    st.floats(0.1, 2.0), st.sampled_from([1, 3, 20, 200]), st.floats(0.01, 1.0), st.sampled_from([1e-6, 1e-3])
)
def test_never_below_what_real_votes_give_away(epsilon0, steps, rate, delta):
    sampling = "poisson" if rate < 1 else "none"
    proven = acc.spent(acc.token(epsilon0, 1e-15, rate, sampling), steps, delta)[steps]
    assert proven >= worst(epsilon0, steps, rate, delta, range(-8, 9, 2))[1] - 1e-6


def test_never_below_the_privacy_loss_distribution():
    """dp-accounting composes the same pair numerically; ours of the pair is exact and in between."""
    from dp_accounting.pld import privacy_loss_distribution as pld

    for lead, rate, steps in ((-2, 0.1, 30), (0, 1.0, 5)):
        law = pair(lead, 0.8, steps, rate)
        up, down = ({0: p, 1: 1 - p} for p in (law.mixed, law.without))
        log = [{k: math.log(v) for k, v in d.items()} for d in (up, down)]
        numerical = max(
            pld.from_two_probability_mass_functions(*order, value_discretization_interval=1e-4)
            .self_compose(steps)
            .get_epsilon_for_delta(1e-4)
            for order in (log, log[::-1])
        )
        proven = acc.spent(acc.token(0.8, 1e-15, rate, "poisson"), steps, 1e-4)[steps]
        assert exact_epsilon(law, 1e-4) == pytest.approx(numerical, rel=0.01)
        assert proven >= numerical


def test_one_step_is_the_closed_form():
    query = acc.token(1.2, 1e-9)
    counted = acc.Accountant()
    counted.step(query)
    by_hand = min(
        float(d) + math.log1p(-1 / a) - (math.log(1e-5 - 1e-9) + math.log(a)) / (a - 1)
        for a, d in zip(renyi.ORDERS, renyi.bounded_range(2.4), strict=True)
    )
    assert counted.epsilon(1e-5) == pytest.approx(by_hand)
    assert counted.epsilon(1e-5) <= 2.4 + math.log1p(1) / 198 + 0.1
    assert counted.history == [("token", 1)]


def test_the_accountant_adds_up_whatever_it_is_given():
    counted, query = acc.Accountant(), acc.token(0.5, 1e-7, 0.1, "without_replacement")
    assert counted.epsilon(1e-5) == 0.0
    counted.step(query, 3)
    counted.step(query, 4)
    counted.step(acc.selection(1.0))
    alone = acc.Accountant()
    alone.step(query, 7)
    assert counted.history == [("token", 3), ("token", 4), ("selection", 1)]
    assert alone.epsilon(1e-5) == pytest.approx(acc.spent(query, 7, 1e-5)[7])
    assert counted.epsilon(1e-5) > alone.epsilon(1e-5)
    assert acc.in_parallel([counted, alone], 1e-5) == counted.epsilon(1e-5)
    counted.step(acc.token(0.5, 1e-6), 10)
    assert counted.epsilon(1e-5) == math.inf  # the queries' own deltas have used it up


CASES = st.tuples(
    st.floats(0.05, 2.0), st.floats(0.01, 0.9), st.integers(1, 60), st.sampled_from([1e-6, 1e-5, 1e-3])
)


@settings(max_examples=40, deadline=None)
@given(CASES, st.sampled_from(["poisson", "without_replacement"]))
def test_monotone_in_every_argument(case, sampling):
    epsilon0, rate, steps, delta = case

    def at(e=epsilon0, q=rate, t=steps, d=delta, d0=1e-12):
        return acc.spent(acc.token(e, d0, q, sampling), t, d)[t]

    least = at() - 1e-9
    assert at(e=epsilon0 * 1.2) >= least
    assert at(q=min(rate * 1.1, 1.0)) >= least
    assert at(t=steps + 1) >= least
    assert at(d=delta / 2) >= least
    assert at(d0=1e-9) >= least
    assert at() <= acc.spent(acc.token(epsilon0, 1e-12), steps, delta)[steps] + 1e-9  # sampling never costs


def test_budgets():
    query = acc.token(0.7, 1e-6, 0.2, "without_replacement")
    tokens = acc.affordable(query, 8.0, 1e-3)
    table = acc.spent(query, tokens + 1, 1e-3)
    assert table[tokens] <= 8.0 < table[tokens + 1]
    chosen = acc.noise_for(4.0, 1e-3, 12, 1e-6, 0.2, "without_replacement")
    kept = (
        acc.affordable(acc.token(e, 1e-6, 0.2, "without_replacement"), 4.0, 1e-3)
        for e in (chosen, chosen * 1.02)
    )
    assert next(kept) >= 12 > next(kept)
    assert acc.affordable(acc.token(5.0, 1e-6), 1.0, 1e-3) == 0


def test_pay_what_you_get():
    few, delta = acc.pay_what_you_get(1, 10, 0.5, 1e-6, 1e-5)
    assert few == pytest.approx(0.5)
    assert delta == pytest.approx(2 * 10 * 1e-6 + 1e-5)
    many, _ = acc.pay_what_you_get(100, 100, 0.1, 1e-6, 1e-5)
    assert many == pytest.approx(100 * 0.01 / 2 + 0.1 * math.sqrt(50 * math.log(1e5)))
    assert acc.pay_what_you_get(0, 5, 0.5, 1e-6, 1e-5)[0] == 0
    with pytest.raises(ValueError, match="6 released of 5"):
        acc.pay_what_you_get(6, 5, 0.5, 1e-6, 1e-5)


def limited(epsilon0):
    return LimitedDomain(epsilon0, 1e-6, size=1000, top=10)


def test_the_audit_stays_below_the_proven_epsilon_and_above_the_official_one():
    rng = np.random.default_rng(0)
    found = audit((limited(1.8), limited(1.8)), 2, 60, 1, 1.0, 1e-3, 60_000, rng)
    assert (
        renyi.epsilon(renyi.official(1.8), 1e-3) < found.proved < acc.spent(acc.token(1.8, 1e-12), 1, 1e-3)[1]
    )


def test_a_broken_mechanism_fails_the_audit():
    """Noise of half the scale is caught; the right one is not."""
    proven = acc.spent(acc.token(0.5, 1e-12), 4, 1e-3)[4]
    rng = np.random.default_rng(1)
    right = audit((limited(0.5), limited(0.5)), 0, 60, 4, 1.0, 1e-3, 40_000, rng)
    broken = audit((limited(1.5), limited(1.5)), 0, 60, 4, 1.0, 1e-3, 40_000, rng)
    assert right.proved <= proven < broken.proved


def test_the_exact_delta_by_hand():
    law = pair(0, 1.0, 1)
    p, q = law.with_record, law.without
    assert (q, p) == (pytest.approx(0.5), pytest.approx(1 / (1 + math.exp(-2))))
    added, removed = p - math.exp(0.1) * q, (1 - q) - math.exp(0.1) * (1 - p)
    assert removed > added  # the second outcome tells more
    assert delta_of(law, 0.1) == pytest.approx(removed)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: acc.affordable(acc.token(1.0, 1e-6), -1.0, 1e-3), "epsilon -1"),
        (lambda: acc.affordable(acc.token(1.0, 1e-6), 1.0, 0.0), "delta 0 must lie"),
        (
            lambda: acc.noise_for(0.001, 1e-3, 50, 1e-6, 0.2, "without_replacement"),
            "does not pay for 50 tokens",
        ),
        (lambda: acc.token(1.0, 1e-6, 1.5, "poisson").cost, "sampling rate 1.5"),
        (lambda: renyi.bounded_range(0.0), "range 0 must be positive"),
        (lambda: renyi.epsilon(renyi.pure(1.0), 1.0), "delta 1 must lie"),
    ],
)
def test_odd_input_is_refused(call, says):
    with pytest.raises(StageError, match=says):
        call()
