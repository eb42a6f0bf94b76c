"""The walk of GPTQ and SparseGPT: column after column, each error spread over the columns that follow.

Rows do not know one another, so matrices that share an input, and configurations of one matrix, walk as one
stack. Weights lie transposed, a column in one piece. Errors are spread at once within a few columns, by a
matrix product over the rest of a block, and by another over the rest of the matrix: the same sums as column
by column, at a fraction of the memory traffic.
Source: Frantar and Alistarh, SparseGPT (ICML 2023); Frantar et al., GPTQ (ICLR 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from retrace.stage import StageError

DAMPING = 0.01  # of the mean of the diagonal, added to it


@dataclass(frozen=True)
class Factor:
    """Upper triangular U (I,I) with U'U the inverse of the damped H, in the order of the walk.

    `unit` is U with each row divided by its diagonal entry, `diagonal` (I,) these entries. `order` (I,) are
    the columns' places in the matrix, None where the order is the matrix's own; `dead` (I,) marks inputs that
    were always zero, in the order of the walk.
    """

    unit: Tensor
    diagonal: Tensor
    order: Tensor | None
    dead: Tensor


def factor(hessian: Tensor, act_order: bool = False, damping: float = DAMPING) -> Factor:
    """Factor H (I,I) = 2X'X/n; `act_order` puts columns of large diagonal first.

    H turned round is factored once; its triangle, inverted and turned back, is U. StageError when H is
    singular in spite of the damping.
    """
    diagonal = hessian.diagonal()
    order = torch.argsort(diagonal, descending=True, stable=True) if act_order else None
    own = hessian.clone() if order is None else hessian[order][:, order]
    dead = own.diagonal() == 0
    own.diagonal()[dead] = 1
    own.diagonal().add_(damping * own.diagonal().mean())
    lower, failed = torch.linalg.cholesky_ex(own.flip(0, 1))
    if int(failed):
        raise StageError(
            f"the inputs' moments ({len(own)} channels) are singular: calibrate on more tokens, "
            f"or raise the damping ({damping:g})"
        )
    one = torch.eye(len(own), dtype=own.dtype, device=own.device)
    upper = torch.linalg.solve_triangular(lower, one, upper=False).flip(0, 1)
    diagonal = upper.diagonal().clone()
    return Factor(upper / diagonal[:, None], diagonal, order, dead)


class Rule(Protocol):
    """What a walk does to its columns; `levels` are sizes of blocks within blocks, the largest first."""

    @property
    def levels(self) -> tuple[int, ...]:
        """Sizes of blocks."""

    def at_block(self, first: int, weights: Tensor, diagonal: Tensor) -> None:
        """Look at a largest block (B,R), which begins with column `first`; U's diagonal (B,) is beside it."""

    def at_few(self, first: int, weights: Tensor, diagonal: Tensor) -> None:
        """Look at a smallest block (b,R): all earlier errors have reached it."""

    def change(self, place: int, column: Tensor, error: Tensor) -> None:
        """Write the new column (R,) over the old one, and what it lost into `error` (R,)."""


def walk(weights: Tensor, made: Factor, rule: Rule) -> Tensor:
    """New weights (R,I) of a stack of rows, in the matrix's own order of columns."""
    w = (weights if made.order is None else weights[:, made.order]).T.contiguous()  # (I,R)
    w[made.dead] = 0
    _Walk(w, made, rule).through(0, len(w), 0)
    if made.order is None:
        return w.T
    back = torch.empty_like(w)
    back[made.order] = w
    return back.T


class _Walk:
    """Columns `w` (I,R), changed in place, and the errors (B,R) of the current largest block."""

    def __init__(self, w: Tensor, made: Factor, rule: Rule) -> None:
        self.w, self.rule, self.unit, self.diagonal = w, rule, made.unit, made.diagonal
        self.size = rule.levels[0]
        self.errors = torch.empty(min(self.size, len(w)), w.shape[1], dtype=w.dtype, device=w.device)

    def through(self, first: int, end: int, level: int) -> None:
        """All columns from `first` to `end` in blocks of this level, each followed by what its errors do."""
        if level == len(self.rule.levels):
            return self._columns(first, end)
        for start in range(first, end, self.rule.levels[level]):
            stop = min(start + self.rule.levels[level], end)
            if level == 0:
                self.rule.at_block(start, self.w[start:stop], self.diagonal[start:stop])
            self.through(start, stop, level + 1)
            if stop < end:
                spread = self.unit[start:stop, stop:end].T
                self.w[stop:end].addmm_(spread, self._errors(start, stop), alpha=-1)
        return None

    def _columns(self, first: int, end: int) -> None:
        self.rule.at_few(first, self.w[first:end], self.diagonal[first:end])
        errors = self._errors(first, end)
        for j, error in enumerate(errors, first):
            column = self.w[j]
            if j > first:
                column.addmv_(errors[: j - first].T, self.unit[first:j, j], alpha=-1)
            self.rule.change(j, column, error)

    def _errors(self, first: int, end: int) -> Tensor:
        at = first % self.size
        return self.errors[at : at + end - first]
