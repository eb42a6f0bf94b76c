import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import beta, binom, norm

from retrace.privacy.accounting import epsilon, noise_for
from retrace.privacy.empirical import epsilon_lower_bound
from retrace.stage import StageError


def gaussian(noise, delta):
    """Epsilon of one Gaussian release: Balle and Wang (ICML 2018), theorem 8, solved for epsilon."""

    def excess(e):
        return norm.cdf(0.5 / noise - e * noise) - math.exp(e) * norm.cdf(-0.5 / noise - e * noise) - delta

    return brentq(excess, 0, 200)


@pytest.mark.parametrize(("noise", "steps", "delta"), [(2.0, 1, 1e-3), (5.0, 1, 1e-5), (8.0, 30, 1e-4)])
def test_without_sampling_the_distribution_gives_the_closed_form(noise, steps, delta):
    exact = gaussian(noise / math.sqrt(steps), delta)
    found = epsilon(noise, 1.0, steps, delta)
    assert exact - 1e-6 <= found <= exact * 1.002
    assert epsilon(noise, 1.0, steps, delta, "rdp") > found


@settings(max_examples=12, deadline=None)
@given(st.floats(0.8, 6.0), st.floats(0.01, 0.3), st.integers(1, 400), st.sampled_from([1e-5, 1e-3]))
def test_divergences_bound_the_distribution(noise, rate, steps, delta):
    assert 0 <= epsilon(noise, rate, steps, delta) <= epsilon(noise, rate, steps, delta, "rdp") * (1 + 1e-6)


def test_the_distribution_is_close_to_its_finest_form():
    from dp_accounting.pld import privacy_loss_distribution

    fine = privacy_loss_distribution.from_gaussian_mechanism(1.0, sampling_prob=0.1).self_compose(200)
    exact = fine.get_epsilon_for_delta(1e-3)
    assert exact - 1e-3 <= epsilon(1.0, 0.1, 200, 1e-3) <= exact * 1.003


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
@pytest.mark.parametrize("target", [2.0, 8.0])
def test_noise_is_the_least_that_keeps_to_epsilon(accountant, target):
    noise = noise_for(target, 0.128, 480, 2e-3, accountant=accountant)
    assert epsilon(noise, 0.128, 480, 2e-3, accountant) <= target
    assert epsilon(noise * 0.998, 0.128, 480, 2e-3, accountant) > target


def test_the_distribution_asks_for_less_noise():
    assert noise_for(4.0, 0.128, 480, 2e-3) < 0.95 * noise_for(4.0, 0.128, 480, 2e-3, accountant="rdp")


def test_odd_settings_are_refused():
    with pytest.raises(StageError, match="choose pld or rdp"):
        epsilon(1.0, 0.1, 10, 1e-3, "prv")
    for accountant in ("pld", "rdp"):
        with pytest.raises(StageError, match="0 protects nothing"):
            epsilon(0.0, 0.1, 10, 1e-3, accountant)
        with pytest.raises(StageError, match="steps 0 from 1"):
            epsilon(1.0, 0.1, 0, 1e-3, accountant)


def test_the_lower_bound_by_hand():
    low, high = beta.ppf(0.025, 90, 11), beta.ppf(0.975, 6, 95)  # 90 of 100, 5 of 100
    assert epsilon_lower_bound(90, 100, 5, 100, 0.01) == pytest.approx(
        max(math.log((low - 0.01) / high), math.log((1 - high - 0.01) / (1 - low)))
    )
    # a few sure non-members prove as much as a few sure members
    assert epsilon_lower_bound(100, 100, 60, 100, 0.0) == pytest.approx(
        epsilon_lower_bound(40, 100, 0, 100, 0.0)
    )
    assert epsilon_lower_bound(50, 100, 50, 100, 1e-3) == 0.0
    assert epsilon_lower_bound(0, 10, 10, 10, 0.5) == 0.0


def test_the_best_attack_on_randomised_response_stays_below_its_epsilon():
    """The true epsilon is exceeded in at most 5 % of the experiments, summed over both binomials."""
    true, n = math.log(3), 60
    p = [binom.pmf(range(n + 1), n, rate) for rate in (0.75, 0.25)]
    wrong = sum(
        p[0][tp] * p[1][fp]
        for tp in range(n + 1)
        for fp in range(n + 1)
        if epsilon_lower_bound(tp, n, fp, n, 0.0) > true
    )
    assert 0 < wrong <= 0.05
    assert epsilon_lower_bound(7500, 10_000, 2500, 10_000, 0.0) > 0.95 * true


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ((5, 4, 0, 4, 0.1), "5 of 4 members"),
        ((0, 0, 0, 4, 0.1), "0 of 0 members"),
        ((1, 4, -1, 4, 0.1), "-1 of 4 non-members"),
        ((1, 4, 1, 4, 1.0), "delta 1"),
        ((1, 4, 1, 4, 0.1, 95), "level 95"),
    ],
)
def test_odd_counts_are_refused(given_, says):
    with pytest.raises(StageError, match=says):
        epsilon_lower_bound(*given_)
