"""Attacks that compare the target with reference models which have not seen the example."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Bools, Floats, as_bools, as_floats


def attack_r(target: npt.ArrayLike, references: npt.ArrayLike, member: npt.ArrayLike | None = None) -> Floats:
    """Return the share of OUT references whose signal is at most the target's, shape (N,), in [0,1].

    `target` (N,) and `references` (M,N): log-probability of the label, or another signal with members high.
    `member` (M,N): which reference has seen which example (None: none has). AttackError when an example has
    no OUT reference. M references give at most M+1 distinct scores.
    Source: Ye et al. (CCS 2022), Attack R.
    """
    signal, others, out = _out(target, references, member)
    share: Floats = ((others <= signal) & out).sum(axis=0) / out.sum(axis=0)
    return share


def difficulty_calibration(
    target: npt.ArrayLike, references: npt.ArrayLike, member: npt.ArrayLike | None = None
) -> Floats:
    """Return the target's signal minus its mean over OUT references, shape (N,).

    With the signal -loss this is mean OUT loss minus target loss. Arguments as for `attack_r`.
    Source: Watson et al., On the importance of difficulty calibration (ICLR 2022).
    """
    signal, others, out = _out(target, references, member)
    mean: Floats = np.where(out, others, 0.0).sum(axis=0) / out.sum(axis=0)
    return signal - mean


def _out(
    target: npt.ArrayLike, references: npt.ArrayLike, member: npt.ArrayLike | None
) -> tuple[Floats, Floats, Bools]:
    signal = as_floats(target, "target", (None,))
    others = as_floats(references, "references", (None, len(signal)))
    out = np.ones(others.shape, np.bool_) if member is None else ~as_bools(member, "member", others.shape)
    bare = int((~out.any(axis=0)).sum())
    if bare:
        raise AttackError(f"{bare} examples have no reference model that left them out; add reference models")
    return signal, others, out
