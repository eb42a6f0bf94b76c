"""Threshold attacks: one signal, a threshold chosen on shadow models, globally or per class.

Sources: Yeom et al. (CSF 2018) for the loss; Song and Mittal (USENIX Security 2021) for the thresholds.
"""

from __future__ import annotations

import numpy.typing as npt

from retrace.attacks.arrays import Floats, as_bools, as_floats, as_labels
from retrace.attacks.roc import best_threshold, best_threshold_per_class


def threshold_attack(target: npt.ArrayLike, shadows: npt.ArrayLike, member: npt.ArrayLike) -> Floats:
    """Return signal minus the shadows' best threshold, shape (N,); >= 0 means "member".

    `target` (N,): a signal with members high, from the target; `shadows` (S,N): the same signal from shadow
    models trained on the members `member` (S,N). AttackError when shapes do not fit.
    """
    signal = as_floats(target, "target", (None,))
    known = as_floats(shadows, "shadows", (None, len(signal)))
    inside = as_bools(member, "member", known.shape)
    return signal - best_threshold(known.ravel(), inside.ravel())


def threshold_attack_per_class(
    target: npt.ArrayLike, shadows: npt.ArrayLike, member: npt.ArrayLike, labels: npt.ArrayLike
) -> Floats:
    """Return signal minus the best shadow threshold of the example's class, shape (N,); >= 0 means "member".

    Arguments as for `threshold_attack`, with labels (N,).
    """
    signal = as_floats(target, "target", (None,))
    known = as_floats(shadows, "shadows", (None, len(signal)))
    inside = as_bools(member, "member", known.shape)
    y = as_labels(labels, "labels", len(signal))
    repeated = y[None, :].repeat(len(known), axis=0).ravel()
    found = best_threshold_per_class(known.ravel(), inside.ravel(), repeated, int(y.max(initial=0)) + 1)
    return signal - found[y]
