"""Changes of weights in low rank, compared channel by channel without ever forming them.

A change P Q of a weight (out,in) has P (out,R) and Q (R,in). Rows j of changes i and l have the dot product
p_ij' (Q_i Q_l') p_lj, so N changes take N^2 small matrices (R,R) and one product a channel: O(N^2 out R^2)
where forming them takes O(N out in R) and comparing O(N^2 out in).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Factors:
    """The change P Q of a weight: `left` P (out,R), `right` Q (R,in)."""

    left: Tensor
    right: Tensor

    @property
    def turned(self) -> Factors:
        """The transpose, so that columns become rows."""
        return Factors(self.right.T, self.left.T)

    def less(self, other: Factors) -> Factors:
        """This change less another one: ranks add up."""
        return Factors(torch.cat([self.left, -other.left], 1), torch.cat([self.right, other.right], 0))

    def formed(self) -> Tensor:
        """The change itself (out,in)."""
        return self.left @ self.right


def row_dots(changes: Sequence[Factors]) -> Tensor:
    """Dot products of row j of every two changes (N,N,out), float64, from factors of one rank R.

    ValueError when there is no change.
    """
    if not changes:
        raise ValueError("no change of weights to compare: train at least 1 variant")
    left = torch.stack([change.left for change in changes]).double()  # (N,out,R)
    right = torch.stack([change.right for change in changes]).double()  # (N,R,in)
    n, _, rank = left.shape
    flat = right.flatten(0, 1)
    grams = (flat @ flat.T).view(n, rank, n, rank).transpose(1, 2)  # (N,N,R,R)
    turned = torch.matmul(left[:, None], grams)  # (N,N,out,R): p_i' G_il
    return (turned * left[None]).sum(3)


def formed_dots(changes: Sequence[Factors]) -> Tensor:
    """The same by forming every change, in the factors' dtype: for tests and benchmarks."""
    whole = [change.formed() for change in changes]  # (out,in) each
    return torch.stack([torch.stack([(a * b).sum(1) for b in whole]) for a in whole])
