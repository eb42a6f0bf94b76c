"""The one form in which every data set reaches a study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """Labelled images: `x` uint8 (N,H,W,C), `y` int64 (N,) in 0..classes-1; ValueError when they differ."""

    x: Pixels
    y: Labels
    classes: int

    def __post_init__(self) -> None:
        if self.x.dtype != np.uint8 or self.x.ndim != 4:
            raise ValueError(f"images must be uint8 (N,H,W,C), not {self.x.dtype} {self.x.shape}")
        if self.y.dtype != np.int64 or self.y.shape != self.x.shape[:1]:
            raise ValueError(f"labels must be int64 ({len(self.x)},), not {self.y.dtype} {self.y.shape}")
        if self.y.size and not (self.y.min() >= 0 and self.y.max() < self.classes):
            raise ValueError(f"labels {self.y.min()}..{self.y.max()} outside 0..{self.classes - 1}")

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: npt.NDArray[np.int64]) -> Images:
        """The images of these rows, in this order."""
        return Images(self.x[rows], self.y[rows], self.classes)
