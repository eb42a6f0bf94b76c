"""Claims that are corrected together: a paper's own, its abstract's first; our questions by themselves.

The paper's claims share 5 %. Those of its abstract (`primary`) start with four fifths of it, the others with
the rest; what a decided claim used goes on to those that are not decided yet, half to the abstract's, half
to the others (Bretz, Maurer, Brannath and Posch, Statistics in Medicine 28, 2009). Our own questions are a
second, exploratory family with 5 % of its own. A claim enters once with the smaller of its two p values,
since one of its two null hypotheses is true whatever the truth is (Shaffer, Psychometrika 45, 1980).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from retrace.claims.model import Statement
from retrace.stats.correlation import Array

Family = Literal["paper", "ours"]
HEADLINES = 0.8  # share of the level that the abstract's claims start with
PASSED_ON = 0.5  # share of what a decided headline used that goes to the other claims of the paper


def adjusted(claims: Sequence[Statement], p: Sequence[float]) -> tuple[list[float], list[float]]:
    """P values adjusted for their families, and each claim's own share of its family's level.

    `p` holds one value a claim; the share is what the claim starts with.
    """
    out, shares = np.empty(len(claims)), np.empty(len(claims))
    for family in ("paper", "ours"):
        places = [i for i, claim in enumerate(claims) if claim.origin == family]
        if not places:
            continue
        heads = np.array([claims[i].primary for i in places])
        weights, passes = _graph(heads)
        out[places] = stepped(np.array([p[i] for i in places]), weights, passes)
        shares[places] = weights
    return [float(value) for value in out], [float(share) for share in shares]


def _graph(heads: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[Array, Array]:
    """What each claim starts with, shape (m,), and what it passes to each other when decided, (m, m)."""
    m, h = heads.size, int(heads.sum())
    if h in (0, m):
        return np.full(m, 1 / m), _evenly(np.ones((m, m)))
    weights = np.where(heads, HEADLINES / h, (1 - HEADLINES) / (m - h))
    to_heads = _evenly(np.ones((m, m)) * heads)
    to_others = _evenly(np.ones((m, m)) * ~heads)
    on = PASSED_ON if h > 1 else 1.0
    return weights, np.where(
        heads[:, None], (1 - on) * to_heads + on * to_others, 0.5 * (to_heads + to_others)
    )


def _evenly(passes: Array) -> Array:
    """Rows that add up to 1 (or are 0), nothing passed to itself."""
    passes = passes * (1 - np.eye(len(passes)))
    total = passes.sum(1, keepdims=True)
    return np.asarray(np.divide(passes, total, out=np.zeros_like(passes), where=total > 0))


def stepped(p: Array, weights: Array, passes: Array) -> Array:
    """Adjusted p values of the sequentially rejective graph with these weights (m,) and transitions (m, m).

    With equal weights and transitions it is Holm's method. Bretz et al., section 2, algorithm 1.
    """
    left, w, g = list(range(p.size)), weights.astype(np.float64).copy(), passes.astype(np.float64).copy()
    out, most = np.ones(p.size), 0.0
    while left:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.array([p[i] / w[i] if w[i] > 0 else (0.0 if p[i] == 0 else np.inf) for i in left])
        j = left[int(ratio.argmin())]
        most = max(most, float(ratio.min()))
        out[j] = min(1.0, most)
        left.remove(j)
        for i in left:
            w[i] += w[j] * g[j, i]
        old = g.copy()
        for i in left:
            loop = old[i, j] * old[j, i]
            for k in left:
                if k != i:
                    g[i, k] = (old[i, k] + old[i, j] * old[j, k]) / (1 - loop) if loop < 1 else 0.0
    return out
