"""What DP-SGD costs in privacy: epsilon from noise, and noise from epsilon.

Two accountants: "pld" composes privacy-loss distributions numerically (dp-accounting), close to exact and
never below the truth; "rdp" is Opacus's bound by Renyi divergences, several per cent above it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

from retrace.stage import StageError

Accountant = Literal["pld", "rdp"]
INTERVAL = 1e-3  # of the discretised privacy loss; rounding is upwards, so a coarser one only costs tightness
PRECISION = 1e-3  # of the noise multiplier, relative


def epsilon(
    noise_multiplier: float,
    sample_rate: float,
    steps: int,
    delta: float,
    accountant: Accountant = "pld",
) -> float:
    """Epsilon spent by `steps` Poisson-sampled Gaussian steps at that delta (add or remove one example).

    StageError for settings outside their range. Sources: Doroshenko et al. (PoPETs 2022) for the composition
    of privacy-loss distributions; Mironov, Talwar and Zhang (2019) for the bound.
    """
    _check(noise_multiplier, sample_rate, steps, delta)
    if accountant == "pld":
        return _by_distribution(noise_multiplier, sample_rate, steps, delta)
    if accountant != "rdp":
        raise StageError(f"dpsgd: accountant {accountant!r} is not known; choose pld or rdp")
    return _by_divergences(noise_multiplier, sample_rate, steps, delta)


def noise_for(
    target: float,
    sample_rate: float,
    steps: int,
    delta: float,
    most: float = 1000.0,
    accountant: Accountant = "pld",
) -> float:
    """The noise multiplier that spends at most epsilon `target`, to 0.1 % of it, by bisection.

    StageError when even the multiplier `most` spends more.
    """
    if not target > 0:
        raise StageError(f"dpsgd: epsilon {target:g} must be positive")
    if epsilon(most, sample_rate, steps, delta, accountant) > target:
        raise StageError(
            f"dpsgd: epsilon {target:g} is too small for {steps} steps at sample rate {sample_rate:.3g} and "
            f"delta {delta:.2g}: noise of {most:g} times the clip bound spends more; raise it or train less"
        )
    # the quick bound first: little noise makes distributions long, so the search comes down from enough
    high = _bisected(target, 1e-2, most, lambda s: _by_divergences(s, sample_rate, steps, delta))
    if accountant == "rdp":
        return high
    low = high
    while epsilon(low, sample_rate, steps, delta, accountant) <= target:
        high, low = low, 0.8 * low
    return _bisected(target, low, high, lambda s: epsilon(s, sample_rate, steps, delta, accountant))


def _bisected(target: float, low: float, high: float, spent: Callable[[float], float]) -> float:
    """The least noise in [low, high] that spends at most `target`; `high` does or is the ceiling."""
    while high / low > 1 + PRECISION:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if spent(middle) <= target else (middle, high)
    return high


def _by_distribution(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    one = _distributions().from_gaussian_mechanism(
        noise_multiplier,
        sampling_prob=sample_rate,
        value_discretization_interval=INTERVAL,
        use_connect_dots=True,
    )
    return float(one.self_compose(steps).get_epsilon_for_delta(delta))


def _by_divergences(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    accountant = _accountants().RDPAccountant()
    accountant.history = [(noise_multiplier, sample_rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the best order is at the end of the grid: still a bound
        return float(accountant.get_epsilon(delta))


def _check(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> None:
    if not noise_multiplier > 0:
        raise StageError(f"dpsgd: noise_multiplier {noise_multiplier:g} must be positive; 0 protects nothing")
    if not 0 < sample_rate <= 1 or steps < 1 or not 0 < delta < 1:
        raise StageError(
            f"dpsgd: sample rate {sample_rate:g} and delta {delta:g} lie in (0, 1), steps {steps} from 1"
        )


def _accountants() -> Any:
    # not at the top of the file: both take more than a second to import, and few jobs run DP-SGD
    from opacus import accountants

    return accountants


def _distributions() -> Any:
    from dp_accounting.pld import privacy_loss_distribution

    return privacy_loss_distribution
