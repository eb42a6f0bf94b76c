"""How many images each data set has and of which shape, without reading it; free of torch."""

from __future__ import annotations

from typing import NamedTuple

from retrace.data.external_names import EXTERNAL


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
    """The frame of a data set by name; rows of bits count as channels. ValueError for one nobody knows."""
    if name in LOCAL:
        return LOCAL[name]
    if name not in EXTERNAL:
        raise ValueError(f"data set {name!r} has no frame: add it to LOCAL in src/retrace/data/frames.py")
    known = EXTERNAL[name]
    high, wide, channels = known.shape
    if high != wide:
        return Frame(known.train + known.test, high * wide * channels, 1, known.classes)
    return Frame(known.train + known.test, channels, high, known.classes)
