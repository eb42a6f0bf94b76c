"""Bounds of wanted neurons only: each box has its own list, boxes with lists of like length go together."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from retrace.verify.blocks import entries
from retrace.verify.bounds.interval import Bounds
from retrace.verify.domain import Box
from retrace.verify.network import Network

BLOCK = 250_000  # entries of the largest temporary: what stays in a processor's cache is fastest
SHARED = 0.5  # share of wanted neurons from which one list of all, whose rows all boxes share, is faster
Rows = Callable[[Tensor], Tensor]
Bounder = Callable[[Network, int, list[Bounds], Box], Rows]


def wanted_bounds(
    wanted: Tensor, like: Tensor, largest: int, rows_of: Rows, bound_of: Callable[[Tensor], Rows]
) -> Bounds:
    """Lower and upper bounds (n, k) of the neurons set in `wanted` (n, k), in the precision of `like`.

    The rest means nothing. `rows_of` makes rows (m, 2 some, *shape) of neurons (m, some): those of their
    values, then of the values' negatives; `bound_of` gives what bounds rows below on the boxes numbered (m,);
    `largest` is the most entries of a row on its way.
    """
    low, high = (like.new_zeros(wanted.shape) for _ in "lh")
    lengths, order = wanted.sum(1).sort(dim=0, descending=True, stable=True)
    longest = lengths.tolist()
    together = max(1, entries(like.device, BLOCK) // (2 * largest))  # neurons, each with two rows
    every = torch.arange(wanted.shape[1], device=wanted.device)[None]
    start = 0
    while start < len(longest) and longest[start]:
        width = longest[start] if longest[start] <= SHARED * wanted.shape[1] else wanted.shape[1]
        some = order[start : start + max(1, together // width)]
        start += len(some)
        lists = every  # (1 or some boxes, width)
        if width < wanted.shape[1]:
            lists = wanted[some].byte().sort(dim=1, descending=True, stable=True).indices[:, :width]
        bound = bound_of(some)
        for neurons in torch.split(lists, together, 1):
            below = bound(rows_of(neurons))
            low[some[:, None], neurons] = below[:, : neurons.shape[1]]
            high[some[:, None], neurons] = -below[:, neurons.shape[1] :]
    return low, high
