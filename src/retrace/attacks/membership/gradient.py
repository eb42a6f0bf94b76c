"""White-box attack from per-sample gradient norms that the caller has measured."""

from __future__ import annotations

import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Floats, as_floats
from retrace.attacks.membership.threshold import threshold_attack, threshold_attack_per_class


def gradient_norm_attack(
    target: npt.ArrayLike,
    shadows: npt.ArrayLike,
    member: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
) -> Floats:
    """Return how far the gradient norm lies below the shadows' best threshold, (N,); >= 0 means "member".

    `target` (N,) and `shadows` (S,N): L2 norms of the loss gradient with respect to weights or input;
    `member` (S,N) bool. With labels (N,) the threshold is chosen per class. AttackError on a negative norm.
    Source: Nasr et al. (S&P 2019) for the signal.
    """
    norms = as_floats(target, "target", (None,))
    known = as_floats(shadows, "shadows", (None, len(norms)))
    if norms.min(initial=0) < 0 or known.min(initial=0) < 0:
        raise AttackError("gradient norms are not negative; give the norm itself, not its logarithm or sign")
    if labels is None:
        return threshold_attack(-norms, -known, member)
    return threshold_attack_per_class(-norms, -known, member, labels)
