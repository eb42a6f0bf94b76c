"""Binary rows in the manner of Purchase100: classes made of noisy prototypes."""

from __future__ import annotations

import numpy as np

from retrace.data.images import Images

FEATURES, CLASSES, PROTOTYPES, DENSITY, FLIP = 200, 20, 3, 0.4, 0.25


def purchase_like(
    rows: int,
    rng: np.random.Generator,
    *,
    features: int = FEATURES,
    classes: int = CLASSES,
    prototypes: int = PROTOTYPES,
    density: float = DENSITY,
    flip: float = FLIP,
) -> Images:
    """Rows (N,1,features,1) of 0 and 255 with labels 0..classes-1, classes as equal in number as can be.

    Each class has `prototypes` random bit strings with a share `density` of ones; a row is one of its
    class's prototypes with every bit flipped with probability `flip`. A surrogate of our own for the
    Purchase100 data, which cannot be passed on; ValueError where a share is outside 0..1 or a count below 1.
    """
    if min(rows, features, classes, prototypes) < 1:
        raise ValueError("purchase-like: rows, features, classes and prototypes are at least 1 each")
    if not (0 <= density <= 1 and 0 <= flip <= 1):
        raise ValueError(f"purchase-like: density {density} and flip {flip} are shares between 0 and 1")
    bits = rng.random((classes, prototypes, features)) < density
    y = rng.permutation(np.arange(rows) % classes).astype(np.int64)
    x = bits[y, rng.integers(prototypes, size=rows)] ^ (rng.random((rows, features)) < flip)
    return Images((x * np.uint8(255))[:, None, :, None], y, classes)
