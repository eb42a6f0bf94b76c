"""Bits per character of an interpolated n-gram model, the rival of a character network."""

from __future__ import annotations

import numpy as np

from retrace.data.sequences.text import Codes


def ngram_bits(train: Codes, test: Codes, size: int, order: int) -> float:
    """Mean -log2 of the probability of each test code under Witten-Bell smoothed n-grams (1991).

    `order` 1 is the frequency of characters; each order falls back on the next shorter, the first on
    1 / `size`. ValueError for an order below 1 or a text shorter than it.
    """
    if order < 1 or min(len(train), len(test)) < order:
        raise ValueError(f"order {order}: at least 1 and no longer than the texts")
    probability = np.full(len(test), 1 / size)
    for n in range(1, order + 1):
        seen = _keys(train, n, size)
        wanted = _keys(test, n, size)
        grams, counts = np.unique(seen, return_counts=True)
        contexts, first = np.unique(grams // size, return_index=True)
        totals, kinds = np.add.reduceat(counts, first), np.diff(np.append(first, len(grams)))
        mine = _look_up(grams, counts, wanted)
        total = _look_up(contexts, totals, wanted // size)
        fresh = _look_up(contexts, kinds, wanted // size)
        old = probability[n - 1 :]
        share = np.divide(mine + fresh * old, total + fresh, out=old.copy(), where=total > 0)
        probability[n - 1 :] = share
    return float(-np.log2(probability).mean())


def _keys(codes: Codes, n: int, size: int) -> Codes:
    """A number for each run of n codes, its last code in the lowest place; (len - n + 1,)."""
    keys = np.zeros(len(codes) - n + 1, dtype=np.int64)
    for i in range(n):
        keys = keys * size + codes[i : len(codes) - n + 1 + i]
    return keys


def _look_up(keys: Codes, values: Codes, wanted: Codes) -> Codes:
    """`values` of the keys (sorted) that are wanted; 0 where there is none."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0)
