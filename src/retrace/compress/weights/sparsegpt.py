"""SparseGPT: drop what costs least by the inverse Hessian, and let later columns make up for it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from retrace.compress.weights.blocks import BLOCK, PART, check_walked
from retrace.compress.weights.columns import Factor, walk
from retrace.compress.weights.masks import largest_of_matrix, n_of_m
from retrace.compress.weights.names import Pattern, check_width

FEW = 8


class _Dropping:
    """Of each matrix in the stack a share of every block, or by a pattern."""

    def __init__(self, rows: Sequence[int], kept: Sequence[Pattern | float], like: Tensor) -> None:
        patterns = [k.of for k in kept if isinstance(k, Pattern)]
        # a pattern is looked at when all earlier errors have reached its columns
        self.levels = (BLOCK, PART, min(patterns) if patterns else FEW)
        ends = torch.tensor([0, *rows]).cumsum(0).tolist()
        self._parts = [(k, slice(a, b)) for k, a, b in zip(kept, ends, ends[1:], strict=False)]
        self._dropped = like.new_zeros(BLOCK, ends[-1])  # 1 where a weight goes
        self._first = 0

    def at_block(self, first: int, weights: Tensor, diagonal: Tensor) -> None:
        self._first = first
        scores = (weights / diagonal[:, None]).square_()
        for kept, rows in self._parts:
            if not isinstance(kept, Pattern):
                self._dropped[: len(weights), rows] = ~largest_of_matrix(scores[:, rows], kept)

    def at_few(self, first: int, weights: Tensor, diagonal: Tensor) -> None:
        at = first - self._first
        for kept, rows in self._parts:
            if isinstance(kept, Pattern) and at % kept.of == 0:
                scores = (weights[:, rows] / diagonal[:, None]).square_()
                self._dropped[at : at + len(weights), rows] = ~n_of_m(scores, kept, 0)

    def change(self, place: int, column: Tensor, error: Tensor) -> None:
        torch.mul(column, self._dropped[place - self._first], out=error)
        column.sub_(error)


def sparsegpt(
    weight: Tensor, made: Factor, kept: Sequence[Pattern | float], matrices: Sequence[int] = ()
) -> Tensor:
    """The weight (O,I) pruned by each pattern or share, (len(kept),O,I), in as few walks as there are widths.

    `matrices` are the rows of the matrices that were stacked to `weight`, each with a threshold of its own
    (none: one matrix). `made` must be in the matrix's own order for patterns.
    Errors: StageError for a pattern that does not divide the inputs, ValueError for one that does not divide
    a part of a block.
    """
    rows = list(matrices) or [len(weight)]
    found: list[Tensor | None] = [None] * len(kept)
    for one in kept:
        if isinstance(one, Pattern):
            check_walked(one)
    for of in sorted({_of(k) for k in kept}):
        if of:
            check_width(weight.shape[1], of, "pattern of")
        own = [i for i, k in enumerate(kept) if _of(k) == of]
        rule = _Dropping(rows * len(own), [kept[i] for i in own for _ in rows], weight)
        parts = walk(weight.repeat(len(own), 1), made, rule).view(len(own), *weight.shape)
        for i, part in zip(own, parts, strict=True):
            found[i] = part
    return torch.stack([part for part in found if part is not None])


def _of(kept: Pattern | float) -> int:
    return kept.of if isinstance(kept, Pattern) else 0
