"""How far the norms of representations differ between members and non-members."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Floats, as_bools, as_floats
from retrace.attacks.roc import auc


def representation_norms(representations: npt.ArrayLike) -> Floats:
    """Return the L2 norm of each representation, shape (...) for (...,D), in float64."""
    norms: Floats = np.linalg.norm(np.asarray(representations, dtype=np.float64), axis=-1)
    return norms


def standardised_difference(values: npt.ArrayLike, member: npt.ArrayLike) -> float:
    """Return (mean of members - mean of non-members) / pooled standard deviation of values (n,).

    Cohen's d with n-1 in each variance. AttackError when a side has fewer than 2 or nothing varies.
    """
    x = as_floats(values, "values", (None,))
    inside = as_bools(member, "member", x.shape)
    ours, others = x[inside], x[~inside]
    if min(len(ours), len(others)) < 2:
        raise AttackError(f"a disparity needs 2 members and 2 non-members; got {len(ours)} and {len(others)}")
    within = (len(ours) - 1) * ours.var(ddof=1) + (len(others) - 1) * others.var(ddof=1)
    if not within > 0:
        raise AttackError(
            "no value varies within members or non-members; a standardised difference has no scale"
        )
    return float((ours.mean() - others.mean()) / np.sqrt(within / (len(x) - 2)))


def norm_auc(norms: npt.ArrayLike, member: npt.ArrayLike) -> float:
    """Return the AUC of the norm (n,) as a membership score; 0.5: no disparity, lower: members are short."""
    return auc(norms, member)
