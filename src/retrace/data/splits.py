"""The split of a data set for reuse studies: test images, then three disjoint parts by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrace.data.images import Labels

FRACTIONS = (0.5, 0.3, 0.2)


@dataclass(frozen=True)
class Split:
    """Rows of a data set, each sorted: `test`, `spare` (reserved, not tested on) and three training parts."""

    test: Labels
    spare: Labels
    parts: tuple[Labels, Labels, Labels]

    @property
    def source(self) -> Labels:
        """Rows that train the source model: parts 0 and 2 (70 %), as RESQUE's published split does."""
        return np.sort(np.concatenate([self.parts[0], self.parts[2]]))

    @property
    def target(self) -> Labels:
        """Rows that retrain it after the shift: parts 1 and 2 (50 %); part 2 is common to both."""
        return np.sort(np.concatenate([self.parts[1], self.parts[2]]))


def stratified(
    y: Labels,
    rng: np.random.Generator,
    reserve: int = 100,
    test: int = 60,
    fractions: Sequence[float] = FRACTIONS,
) -> Split:
    """Split rows by class: reserve `reserve` of each, test on `test` of them, divide the rest by `fractions`.

    `y` (N,) labels; counts are images per class. Every row falls in exactly one of test, spare, parts.
    The 50/30/20 parts are those of RESQUE's published code (SplitData); the reserved test images are ours.
    Errors: ValueError when test exceeds reserve, fractions do not sum to 1, or a class is too small.
    """
    if not 0 < test <= reserve:
        raise ValueError(f"test images per class must be 1..reserve={reserve}, not {test}")
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"fractions must be three positive shares that sum to 1, not {list(fractions)}")
    groups: list[list[Labels]] = [[], [], [], [], []]
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        rest = len(rows) - reserve
        cuts = np.rint(np.cumsum(fractions[:2]) * rest).astype(int) + reserve
        if rest < 3 or np.diff([reserve, *cuts, len(rows)]).min() < 1:
            raise ValueError(
                f"class {label} has {len(rows)} images: too few to reserve {reserve} and divide the rest in "
                f"three; lower reserve"
            )
        for group, piece in zip(groups, np.split(rows, [test, reserve, *cuts]), strict=True):
            group.append(piece)
    test_rows, spare, *parts = (np.sort(np.concatenate(group)).astype(np.int64) for group in groups)
    return Split(test_rows, spare, (parts[0], parts[1], parts[2]))
