"""Which false-positive rates a number of non-members can resolve; free of what computes them."""

from __future__ import annotations

import math

from retrace.attacks.arrays import AttackError

# k false positives are known to about 1/sqrt(k): with fewer than ten a TPR at that FPR says little
LEAST_FALSE_POSITIVES = 10


def check_resolution(non_members: int, fpr: float, least: int = LEAST_FALSE_POSITIVES) -> None:
    """Raise AttackError when `non_members` cannot resolve that FPR with `least` false positives."""
    if not 0 < fpr < 1:
        raise AttackError(f"a false-positive rate lies in (0, 1), 1 % is 0.01; got {fpr:g}")
    if non_members * fpr * (1 + 1e-12) < least:
        needed = math.ceil(least / fpr * (1 - 1e-12))
        raise AttackError(
            f"TPR at FPR {fpr:g} needs {needed} non-members, there are {non_members}; "
            f"enlarge the pool, add targets to pool over, or ask for FPR >= {least / max(non_members, 1):.2g}"
        )
