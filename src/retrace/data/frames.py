"""How many images each data set has and of which shape, without reading it; free of torch."""

from __future__ import annotations

from typing import NamedTuple

from retrace.data.catalogue import entries
from retrace.data.external_names import EXTERNAL
from retrace.data.own import own_sets
from retrace.recipe import SOURCE


class Frame(NamedTuple):
    """A data set's images: number, channels, side (of the longer axis squeezed to a square), classes."""

    images: int
    channels: int
    side: int
    classes: int

    @property
    def values(self) -> int:
        """Pixels of an image, all channels."""
        return self.channels * self.side**2


LOCAL = {
    "digits": Frame(1_797, 1, 8, 10),
    "fashion": Frame(12_000, 1, 28, 10),
    "mnist": Frame(5_000, 1, 28, 10),
}


def frame(name: str) -> Frame:
    """The frame of a data set by name, the user's own included; ValueError for one nobody knows.

    Rows of bits, and images that are no squares, count as channels.
    """
    if name in LOCAL:
        return LOCAL[name]
    if name in EXTERNAL:
        known = EXTERNAL[name]
        return _frame(known.train + known.test, known.shape, known.classes)
    root = SOURCE.parent
    if name in own_sets(root):
        row = entries(root)[name]
        return _frame(row.rows, row.shape, row.classes)
    raise ValueError(f"data set {name!r} has no frame: add it to LOCAL in src/retrace/data/frames.py")


def _frame(images: int, shape: tuple[int, ...], classes: int) -> Frame:
    high, wide, channels = shape
    if high != wide:
        return Frame(images, high * wide * channels, 1, classes)
    return Frame(images, channels, high, classes)
