"""GPTQ: round column by column on grids by group, and let later columns make up for the error."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from retrace.compress.weights.columns import Factor, walk
from retrace.compress.weights.grids import uniform_grid
from retrace.compress.weights.names import check_bits, check_width

BLOCK, PART, FEW = 128, 32, 8


class _Rounding:
    """Grids of each group are made of its weights as they are when the walk reaches it."""

    def __init__(self, most: Tensor, group: int) -> None:
        self.levels = (group, PART, FEW) if group > PART else (group, FEW)
        self.most = most  # (R,)
        self._new = torch.empty_like(most)
        self._step = self._top = self._bottom = most

    def at_block(self, first: int, weights: Tensor, diagonal: Tensor) -> None:
        low, high = weights.amin(0), weights.amax(0)  # faster than aminmax along this axis
        self._step, zero = uniform_grid(low, high, self.most)
        self._bottom, self._top = -zero, self.most - zero  # ends of the grid in steps

    def at_few(self, first: int, weights: Tensor, diagonal: Tensor) -> None:
        pass

    def change(self, place: int, column: Tensor, error: Tensor) -> None:
        new = torch.div(column, self._step, out=self._new).round_()
        torch.clamp(new, self._bottom, self._top, out=new).mul_(self._step)
        torch.sub(column, new, out=error)
        column.copy_(new)


def gptq(weight: Tensor, made: Factor, bits: Sequence[int], group: int | None) -> Tensor:
    """The weight (O,I) rounded at each number of bits, (len(bits),O,I), in one walk.

    `group` columns in the order of the walk share a grid; None: a row's one grid, of the weights as given.
    Errors: StageError for a group that does not divide the inputs, ValueError for bits without a grid.
    """
    width = weight.shape[1]
    most = torch.tensor(
        [float(2 ** check_bits(b) - 1) for b in bits], dtype=weight.dtype, device=weight.device
    )
    stack = weight.repeat(len(bits), 1)
    steps = most.repeat_interleave(len(weight))
    rule = _Rounding(steps, check_width(width, group)) if group else _Whole(steps, stack)
    return walk(stack, made, rule).view(len(bits), *weight.shape)


class _Whole(_Rounding):
    """One grid a row, made before the walk."""

    def __init__(self, most: Tensor, stack: Tensor) -> None:
        super().__init__(most, BLOCK)
        super().at_block(0, stack.T, most)

    def at_block(self, first: int, weights: Tensor, diagonal: Tensor) -> None:
        pass
