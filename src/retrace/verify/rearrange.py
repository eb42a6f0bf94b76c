"""Flattening, transposing, slicing, picking: entries in another order or shape."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from retrace.verify.layers import Flatten, Shape


@dataclass(frozen=True)
class Rearrange(Flatten):
    """Flat output k is flat input `index[k]`; `index` (outputs,) on the host, `shape` that of the output.

    Entries may be left out or repeated.
    """

    index: Tensor
    shape: Shape

    def apply(self, x: Tensor) -> Tensor:
        """See `Affine`."""
        return x.flatten(1)[:, self.index.to(x.device)].reshape(-1, *self.shape)

    def spread(self, radius: Tensor) -> Tensor:
        """See `Affine`."""
        return self.apply(radius)

    def pull(self, rows: Tensor, shape: Shape) -> Tensor:
        """See `Affine`."""
        total = rows.new_zeros(rows.shape[0], math.prod(shape))
        return total.index_add_(1, self.index.to(rows.device), rows.flatten(1)).reshape(-1, *shape)
