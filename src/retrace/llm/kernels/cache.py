"""Keys and values of a batch while it is generated, in buffers that are allocated once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class KeyValues:
    """What transformers' attention asks of a cache, and no more: rows can leave it and be repeated.

    `room` is the number of tokens that will follow the first call.
    """

    def __init__(self, layers: int, room: int) -> None:
        self._room = room
        self._kept: list[tuple[Tensor, Tensor] | None] = [None] * layers
        self._used = [0] * layers

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append keys and values (B,H,T,d) of a layer; all that it holds, (B,H,S,d)."""
        kept, used, new = self._kept[layer], self._used[layer], keys.shape[2]
        if kept is None:
            shape = (*keys.shape[:2], new + self._room, keys.shape[3])
            kept = self._kept[layer] = (keys.new_empty(shape), values.new_empty(shape))
        self._used[layer] = used + new
        kept[0][:, :, used : used + new] = keys
        kept[1][:, :, used : used + new] = values
        return kept[0][:, :, : used + new], kept[1][:, :, : used + new]

    def take(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order (a row may occur more than once)."""
        self._kept = [
            None
            if pair is None
            else (torch.index_select(pair[0], 0, rows), torch.index_select(pair[1], 0, rows))
            for pair in self._kept
        ]
