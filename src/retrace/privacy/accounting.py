"""What DP-SGD costs in privacy: epsilon from noise, and noise from epsilon, by Opacus's RDP accountant."""

from __future__ import annotations

import warnings
from typing import Any

from retrace.stage import StageError


def epsilon(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    """Epsilon spent by `steps` Poisson-sampled Gaussian steps at that delta.

    StageError for settings outside their range. Source: Mironov, Talwar and Zhang (2019) for the bound.
    """
    _check(noise_multiplier, sample_rate, steps, delta)
    accountant = _accountants().RDPAccountant()
    accountant.history = [(noise_multiplier, sample_rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the best order is at the end of the grid: still a bound
        return float(accountant.get_epsilon(delta))


def noise_for(target: float, sample_rate: float, steps: int, delta: float, most: float = 1000.0) -> float:
    """The noise multiplier that spends at most epsilon `target`, to 0.1 % of it, by bisection.

    StageError when even the multiplier `most` spends more.
    """
    if not target > 0:
        raise StageError(f"dpsgd: epsilon {target:g} must be positive")
    if epsilon(most, sample_rate, steps, delta) > target:
        raise StageError(
            f"dpsgd: epsilon {target:g} is too small for {steps} steps at sample rate {sample_rate:.3g} and "
            f"delta {delta:.2g}: noise of {most:g} times the clip bound spends more; raise it or train less"
        )
    low, high = 1e-2, most
    while high / low > 1 + 1e-3:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if epsilon(middle, sample_rate, steps, delta) <= target else (middle, high)
    return high


def _check(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> None:
    if not noise_multiplier > 0:
        raise StageError(f"dpsgd: noise_multiplier {noise_multiplier:g} must be positive; 0 protects nothing")
    if not 0 < sample_rate <= 1 or steps < 1 or not 0 < delta < 1:
        raise StageError(
            f"dpsgd: sample rate {sample_rate:g} and delta {delta:g} lie in (0, 1), steps {steps} from 1"
        )


def _accountants() -> Any:
    # not at the top of the file: it takes 1.6 s to import, and few jobs run DP-SGD
    from opacus import accountants

    return accountants
