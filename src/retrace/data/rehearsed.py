"""Images drawn in place of a published data set: its shape, classes and rows, and no content."""

from __future__ import annotations

import numpy as np

from retrace.data.external_names import EXTERNAL
from retrace.data.images import Images

PREFIX = "rehearsal:"  # of a folder of data sets that holds none; then how many rows are drawn, if not all


def stands_in(folder: str) -> bool:
    """Whether this folder of data sets means drawn ones."""
    return folder.startswith(PREFIX)


def fingerprint(name: str, folder: str) -> str:
    """What enters a key: no published set's fingerprint begins like this."""
    return f"{folder}:{name}"


def draw(name: str, folder: str) -> Images:
    """Noise uint8 (N,H,W,C) with every class equally often; the same for the same name and number of rows."""
    known = EXTERNAL[name]
    rows = int(folder.removeprefix(PREFIX) or known.train + known.test)
    rng = np.random.default_rng(list(name.encode()))
    size = (rows, *known.shape)
    x = np.frombuffer(rng.bytes(int(np.prod(size))), dtype=np.uint8).reshape(size)
    if known.shape[0] == 1:  # rows of bits, kept as black and white
        x = np.where(x < 128, np.uint8(0), np.uint8(255))
    return Images(x, rng.permutation(rows) % known.classes, known.classes)
