"""Algorithmic sequence tasks: copy, repeat copy, associative recall and priority sort, drawn at random.

Layouts and sizes are those of ARMIN's published code, after Graves et al. (2014). During the answer the
input is zero; all sequences of a batch have one length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Bits:
    """Sequences (time first): `x` (T,B,X) inputs, `y` (A,B,Y) wanted bits of the last A steps."""

    x: Floats
    y: Floats


def copy(rng: np.random.Generator, batch: int, length: int, width: int = 8) -> Bits:
    """Repeat `length` random vectors: start flag, vectors, end flag, answer; X = width + 2, Y = width."""
    bits = _bits(rng, length, batch, width)
    x = _zeros(2 * length + 2, batch, width + 2)
    x[0, :, width] = 1
    x[1 : length + 1, :, :width] = bits
    x[length + 1, :, width + 1] = 1
    return Bits(x, bits)


def repeat(
    rng: np.random.Generator, batch: int, length: int, times: int, limits: tuple[int, int], width: int = 8
) -> Bits:
    """Repeat `length` vectors `times` times and then say so; X = width + 2, Y = width + 1.

    Start flag, vectors, the number of repeats on its own channel, answer, one end flag. With `limits`
    (first, last + 1) the number is centred at half their difference and scaled as in the published code.
    """
    low, high = limits
    bits = _bits(rng, length, batch, width)
    x = _zeros(length + 2 + length * times + 1, batch, width + 2)
    x[0, :, width] = 1
    x[1 : length + 1, :, :width] = bits
    x[length + 1, :, width + 1] = (times - (high - low) / 2) / np.sqrt(((high - low + 1) ** 2 - 1) / 12)
    y = _zeros(length * times + 1, batch, width + 1)
    y[:-1, :, :width] = np.tile(bits, (times, 1, 1))
    y[-1, :, width] = 1
    return Bits(x, y)


def recall(rng: np.random.Generator, batch: int, items: int, rows: int = 3, bits: int = 6) -> Bits:
    """Answer the item that followed the asked one; X = bits + 2, Y = bits; ValueError below 2 items.

    Each item is a flag and `rows` vectors; then comes, between two query flags, any item but the last.
    """
    if items < 2:
        raise ValueError(
            f"recall: {items} items; the question needs one that another follows, give 2 or more"
        )
    shown = rng.integers(0, 2, (items, rows, batch, bits)).astype(np.float32)
    asked = rng.integers(0, items - 1, batch)
    x = _zeros(items * (rows + 1) + 2 * rows + 2, batch, bits + 2)
    for i in range(items):
        at = i * (rows + 1)
        x[at, :, bits] = 1
        x[at + 1 : at + 1 + rows, :, :bits] = shown[i]
    at = items * (rows + 1)
    who = np.arange(batch)
    x[at, :, bits + 1] = x[at + rows + 1, :, bits + 1] = 1
    x[at + 1 : at + 1 + rows, :, :bits] = shown[asked, :, who].swapaxes(0, 1)
    return Bits(x, np.ascontiguousarray(shown[asked + 1, :, who].swapaxes(0, 1)))


def sort(
    rng: np.random.Generator, batch: int, items: int, answers: int, bits: int = 8, legacy: bool = False
) -> Bits:
    """Return the `answers` vectors of highest priority, highest first; X = bits + 1, Y = bits.

    Priorities are uniform in [-1,1). `legacy`: the published code's target, which sorts every column by
    itself, so that it holds how many ones a column has and no vector. ValueError for more answers than items.
    """
    if not 1 <= answers <= items:
        raise ValueError(f"sort: {answers} answers of {items} items; ask for 1 to {items}")
    vectors = _bits(rng, items, batch, bits)
    priority = rng.uniform(-1, 1, (items, batch)).astype(np.float32)
    x = _zeros(items + answers, batch, bits + 1)
    x[:items, :, :bits], x[:items, :, bits] = vectors, priority
    if legacy:
        return Bits(x, np.sort(vectors, axis=0)[::-1][:answers].copy())
    order = np.argsort(-priority, axis=0, kind="stable")[:answers]
    return Bits(x, np.take_along_axis(vectors, order[..., None], axis=0))


def _bits(rng: np.random.Generator, steps: int, batch: int, width: int) -> Floats:
    if steps < 1 or batch < 1 or width < 1:
        raise ValueError(f"{steps} vectors of {width} bits in batches of {batch}: all must be at least 1")
    return rng.integers(0, 2, (steps, batch, width)).astype(np.float32)


def _zeros(*shape: int) -> Floats:
    return np.zeros(shape, dtype=np.float32)
