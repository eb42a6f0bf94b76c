"""Seeds derived from named axes, so that no two uses of randomness share a stream by accident."""

from __future__ import annotations

import hashlib
import json

import numpy as np


def derive(*axes: str | int) -> int:
    """A seed in [0, 2**63) from an ordered list of names and numbers.

    It is the head of the SHA-256 of the axes as a JSON list, so ("a", "bc") and ("ab", "c") differ, and
    so do 1 and "1". Raises ValueError without axes or for an axis that is neither a string nor an integer.
    """
    if not axes:
        raise ValueError("seeds.derive: no axes given; pass at least one name or number")
    for axis in axes:
        if isinstance(axis, bool) or not isinstance(axis, str | int):
            raise ValueError(f"seeds.derive: axis {axis!r} is a {type(axis).__name__}; use a str or an int")
    text = json.dumps(axes, ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:8], "big") >> 1


def generator(seed: int, *axes: str | int) -> np.random.Generator:
    """A NumPy generator (PCG64) for one use of a run's seed; errors as `derive`.

    With PyTorch: `torch.Generator().manual_seed(derive(seed, *axes))`.
    """
    return np.random.default_rng(derive(seed, *axes))
