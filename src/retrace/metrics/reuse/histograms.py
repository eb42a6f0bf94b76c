"""Histograms of many short vectors at once, and four distances between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = (16, 32, 64)
DISTANCES = ("w", "js", "bh", "kl")
Counts = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]
_BLOCK = 1 << 15  # values binned at a time: the working set stays in cache


def row_histograms(vectors: npt.NDArray[Any], bins: Iterable[int] = BINS) -> dict[int, Counts]:
    """Count each row of (N,C) values in equal bins over that row's own range: {B: (N,B) counts}.

    Agrees with `numpy.histogram` (right end in the last bin, a constant row spread by half a unit each
    way). For float32 values and powers of two it agrees exactly: every bin edge is then exact, and a bin of
    B/2 is the sum of two of B, so only the finest histogram is binned. Otherwise a value within one
    rounding error of an edge may fall on its other side. Raises ValueError for values that are not finite.
    """
    wanted = sorted(set(bins), reverse=True)
    counts: dict[int, Counts] = {}
    for size in wanted:
        finer = next((other for other in counts if _is_doubling(size, other)), None)
        if finer is None:
            counts[size] = _binned(np.atleast_2d(vectors), size)
        else:
            joined = counts[finer]
            while joined.shape[1] > size:
                joined = joined[:, ::2] + joined[:, 1::2]
            counts[size] = joined
    return counts


def _is_doubling(size: int, finer: int) -> bool:
    ratio, rest = divmod(finer, size)
    return rest == 0 and ratio & (ratio - 1) == 0


def _binned(vectors: npt.NDArray[Any], bins: int) -> Counts:
    rows, columns = vectors.shape
    counts = np.empty((rows, bins), dtype=np.int32)
    step = max(1, _BLOCK // max(1, columns))
    for start in range(0, rows, step):
        block = vectors[start : start + step]
        low = block.min(axis=1, keepdims=True).astype(np.float64)
        span = block.max(axis=1, keepdims=True) - low
        if not np.isfinite(span).all():
            raise ValueError(
                f"row {start} or one after it holds values that are not finite; check the network"
            )
        constant = span == 0
        low[constant] -= 0.5
        span[constant] = 1.0
        place = np.subtract(block, low, dtype=np.float64)
        place /= span / bins
        index = place.astype(np.intp)
        # one spare bin a row takes the row's maximum, which belongs to the last bin
        index += (np.arange(len(block)) * (bins + 1))[:, None]
        spare = np.bincount(index.ravel(), minlength=len(block) * (bins + 1)).reshape(-1, bins + 1)
        counts[start : start + step] = spare[:, :-1]
        counts[start : start + step, -1] += spare[:, -1]
    return counts


@lru_cache(maxsize=64)
def _tables(total: int) -> tuple[Floats, Floats, Floats]:
    """Return the root of k, ln k and k ln k for k = 0..2*total, all 0 at k = 0."""
    values = np.arange(2 * total + 1, dtype=np.float64)
    logs = np.log(np.maximum(values, 1.0))
    return np.sqrt(values), logs, values * logs


@dataclass(frozen=True)
class Prepared:
    """Histograms (N,B) with the part of the distances that needs only one side; `total` values a row."""

    counts: Counts
    ordered: Counts
    roots: Floats
    logs: Floats
    entropies: Floats  # k ln k, per bin
    total: int

    @classmethod
    def of(cls, counts: Counts, total: int) -> Prepared:
        """Prepare counts (N,B) whose rows sum to `total`."""
        small: Counts = counts.astype(np.int16 if total < 2**14 else np.int32)
        places = counts.astype(np.intp)
        roots, logs, entropies = (table.take(places) for table in _tables(total))
        return cls(small, np.sort(small, axis=1), roots, logs, entropies, total)


def distance_sums(first: Prepared, second: Prepared) -> Floats:
    """Sum the four distances of PreIndex between paired rows: (4,) in the order of `DISTANCES`.

    With u, v the normalised histograms of B bins: w = mean |sort(u) - sort(v)| (the 1-D Wasserstein
    distance between the bin *values* taken as samples); js = Jensen-Shannon divergence, natural log, no
    root; bh = 1 - sum sqrt(uv); kl = sum u ln(u/v) without the terms that are not finite.
    Source: PreIndex (AIES 2024), released code. Counts are whole numbers, so logarithms come from a table.
    """
    total = first.total
    if first.counts.shape != second.counts.shape or total != second.total:
        sides = f"{first.counts.shape} of {total} values, {second.counts.shape} of {second.total}"
        raise ValueError(f"histograms differ: {sides}; compare the same layer and bins")
    rows, bins = first.counts.shape
    moved = np.abs(first.ordered - second.ordered).sum(dtype=np.int64)
    both = _tables(total)[2].take(first.counts + second.counts).sum()
    alone = first.entropies.sum() + second.entropies.sum()
    shared = np.vdot(first.entropies, second.counts > 0) - np.vdot(first.counts, second.logs)
    return np.array(
        [
            moved / (bins * total),
            (alone - both) / (2 * total) + rows * np.log(2.0),
            rows - np.vdot(first.roots, second.roots) / total,
            shared / total,
        ]
    )
