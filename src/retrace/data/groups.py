"""Training sets whose groups have very unlike sizes, and test sets whose groups have the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from retrace.data.images import Labels
from retrace.stage import StageError

Order = Literal["fixed", "drawn"]


@dataclass(frozen=True)
class GroupSplit:
    """Rows of train and test, rows that would bring the smallest group up to the largest, and which is which.

    `rank` (G,): the place of each group when groups are ordered from the largest to the smallest.
    """

    train: Labels
    test: Labels
    more: Labels
    rank: Labels
    sizes: tuple[int, ...]  # of the training groups, by group


def long_tail(count: int, most: int, ratio: float) -> list[int]:
    """Sizes of `count` groups from `most` down to most / ratio, each the same share of the one before.

    Source: Cui et al., Class-balanced loss (CVPR 2019), section 5.1.
    """
    if count < 2 or ratio < 1:
        raise StageError(
            f"{count} groups with ratio {ratio:g}: take at least 2 groups and a ratio of at least 1"
        )
    return [round(most * ratio ** (-k / (count - 1))) for k in range(count)]


def split_groups(
    groups: Labels, sizes: list[int], test: int, order: Order, rng: np.random.Generator
) -> GroupSplit:
    """Draw `test` images of each group of groups (N,), then training images as `sizes` says by rank.

    The largest size goes to group 0, the next to group 1 (`fixed`), or to groups in a drawn order. StageError
    when a group has too few images, or would have none or one in a part.
    """
    count = len(sizes)
    if min(sizes) < 2 or test < 2:
        raise StageError(
            f"groups: the smallest has {min(sizes)} training images and each has {test} test images; it "
            "takes 2 of either: lower ratio, or raise most or test_per_group"
        )
    rank = np.arange(count) if order == "fixed" else rng.permutation(count)
    train, tests, more = [], [], []
    for group in range(count):
        rows = rng.permutation(np.flatnonzero(groups == group))
        wanted = max(sizes) if rank[group] == count - 1 else sizes[rank[group]]
        if len(rows) < test + wanted:
            raise StageError(
                f"group {group} has {len(rows)} images; {test} for testing and {wanted} for training are "
                "wanted: lower most or test_per_group"
            )
        own = rows[test : test + wanted]
        tests.append(rows[:test])
        train.append(own[: sizes[rank[group]]])
        more.append(own[sizes[rank[group]] :])
    kept, held, spare = (np.sort(np.concatenate(part)).astype(np.int64) for part in (train, tests, more))
    return GroupSplit(kept, held, spare, rank.astype(np.int64), tuple(sizes[r] for r in rank))
