"""Correction of several tests: Holm's method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted by Holm's step-down method (Scand. J. Statist. 6, 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(np.arange(p.size, 0, -1) * p[order])
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(steps, 1.0)
    return [float(value) for value in adjusted]
