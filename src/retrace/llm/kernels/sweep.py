"""Likelihoods under many pruned variants: layers below the first mask are computed once for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retrace.llm.kernels.layers import embed, run
from retrace.llm.kernels.masks import UnitMasks, masked
from retrace.llm.kernels.score import Item, Packed, Sums, pack, read
from retrace.llm.rows import Row, batches, halves


def variant_nll(
    net: Any, masks: UnitMasks, rows: Sequence[Row], budget: int = 2048
) -> npt.NDArray[np.float64]:
    """NLL a token of every row's answer by every variant (V,N): `nll.mean_nll` of many networks at once."""
    items = [Item(row.ids[: row.start], (row.answer,)) for row in rows]
    lengths = np.array([len(row.answer) for row in rows])
    sums = [np.concatenate(of_variant) for of_variant in score_variants(net, masks, items, budget)]
    return np.stack([-values / lengths for values in sums])


@torch.no_grad()
def score_variants(net: Any, masks: UnitMasks, items: Sequence[Item], budget: int = 2048) -> list[list[Sums]]:
    """`score` of every item by every variant: [variant][item] -> array (m,) of summed log-probabilities.

    `budget` is the number of tokens in a batch, variants included. A batch of variants that does not fit the
    memory is halved; StageError when one variant of one batch of items does not fit.
    """
    found: list[dict[int, Sums]] = [{} for _ in range(len(masks))]
    device = net.model.embed_tokens.weight.device
    with masked(net, masks, range(len(masks))) as switch:
        # few items with all their variants: rows of like length need little padding
        for rows in batches([item.inputs for item in items], max(1, budget // len(masks))):
            packed = pack([items[i] for i in rows], device)
            switch([0] * len(rows))
            lower = run(net, embed(net, packed.ids), 0, masks.first, packed.positions, packed.mask)
            together = max(1, budget // packed.ids.numel())
            queue = [
                list(range(first, min(first + together, len(masks))))
                for first in range(0, len(masks), together)
            ][::-1]
            while queue:
                variants = queue.pop()
                try:
                    switch([v for v in variants for _ in rows])
                    for v, states in zip(
                        variants, _upper(net, packed, lower, len(variants), masks), strict=True
                    ):
                        found[v] |= dict(zip(rows, read(net, packed, states), strict=True))
                except torch.OutOfMemoryError:
                    queue += halves(variants)[::-1]
    return [[of_variant[i] for i in range(len(items))] for of_variant in found]


def _upper(net: Any, packed: Packed, lower: Tensor, copies: int, masks: UnitMasks) -> Sequence[Tensor]:
    mask = None if packed.mask is None else packed.mask.repeat(copies, 1, 1, 1)
    states = run(net, lower.repeat(copies, 1, 1), masks.first, None, packed.positions.repeat(copies, 1), mask)
    return states.chunk(copies)
