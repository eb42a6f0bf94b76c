"""McNemar's test: do two classifiers differ on the same examples?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from statsmodels.stats.contingency_tables import mcnemar as _mcnemar


@dataclass(frozen=True)
class McNemar:
    """Examples that only the first got right, that only the second did, and the two-sided p value."""

    gained: int
    lost: int
    p: float


def mcnemar(first: npt.ArrayLike, second: npt.ArrayLike) -> McNemar:
    """Exact test (McNemar, Psychometrika 12, 1947) on outcomes 0 or 1, both (n,), of the same examples.

    Given several seeds' outcomes end to end it speaks of these networks, not of others that might be trained.
    p is 1 where the two never differ. ValueError when lengths differ or an outcome is neither 0 nor 1.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"McNemar's test pairs outcomes one to one; got shapes {a.shape} and {b.shape}")
    if not np.isin(np.concatenate([a, b]), (0.0, 1.0)).all():
        raise ValueError("McNemar's test takes outcomes 0 and 1 only")
    gained, lost = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    if gained + lost == 0:
        return McNemar(0, 0, 1.0)
    both, neither = int(((a == 1) & (b == 1)).sum()), int(((a == 0) & (b == 0)).sum())
    return McNemar(gained, lost, float(_mcnemar([[both, gained], [lost, neither]], exact=True).pvalue))
