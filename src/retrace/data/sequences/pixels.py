"""Images as sequences of pixels, in row order or under one fixed permutation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrace.data.images import Images, Labels


@dataclass(frozen=True)
class PixelSequences:
    """`x` uint8 (N,T), `y` int64 (N,) of a training and a test part."""

    x_train: npt.NDArray[np.uint8]
    y_train: Labels
    x_test: npt.NDArray[np.uint8]
    y_test: Labels


def pixel_sequences(
    images: Images, permutation: int | None, test: float, rng: np.random.Generator
) -> PixelSequences:
    """Flatten images to T = H W C steps; `permutation` is a seed and the same for every image.

    A share `test` of each class, drawn by `rng`, is kept for testing; ValueError when a class is too small.
    """
    flat = images.x.reshape(len(images), -1)
    if permutation is not None:
        flat = flat[:, np.random.default_rng(permutation).permutation(flat.shape[1])]
    held: list[npt.NDArray[np.intp]] = []
    for label in np.unique(images.y):
        rows = rng.permutation(np.flatnonzero(images.y == label))
        count = round(test * len(rows))
        if not 0 < count < len(rows):
            raise ValueError(
                f"class {label} has {len(rows)} images: a test share of {test:g} leaves a part empty"
            )
        held.append(rows[:count])
    kept = np.sort(np.concatenate(held))
    rest = np.setdiff1d(np.arange(len(images)), kept)
    return PixelSequences(flat[rest], images.y[rest], flat[kept], images.y[kept])
