"""Hidden states before a layer, kept for every row: lower layers that do not change are computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from retrace.llm.kernels.layers import embed, pad, run
from retrace.llm.rows import batches, halves


class Below:
    """Hidden states before layer `stop` of batches seen: for networks whose layers below it are alike."""

    def __init__(self, stop: int) -> None:
        self.stop = stop
        self._kept: dict[tuple[bytes, ...], Tensor] = {}

    def states(self, net: Any, ids: Tensor, positions: Tensor | None, mask: Tensor | None) -> Tensor:
        """Those (B,T,D) of token rows (B,T), computed by `net` when they are new."""
        key = tuple(b"" if part is None else part.cpu().numpy().tobytes() for part in (ids, positions, mask))
        key = (*key, repr(tuple(ids.shape)).encode())
        if key not in self._kept:
            self._kept[key] = run(net, embed(net, ids), 0, self.stop, positions, mask)
        return self._kept[key]


def through(
    net: Any,
    ids: Tensor,
    positions: Tensor | None = None,
    mask: Tensor | None = None,
    below: Below | None = None,
) -> Tensor:
    """Final hidden states (B,T,D) of token rows (B,T); with `below`, lower layers as they were seen there."""
    if below is None:
        return run(net, embed(net, ids), 0, None, positions, mask)
    return run(net, below.states(net, ids, positions, mask), below.stop, None, positions, mask)


@torch.no_grad()
def lower(net: Any, sequences: Sequence[Sequence[int]], stop: int, budget: int = 2048) -> list[Tensor]:
    """Hidden states (T_i,D) of every sequence before layer `stop`, in the network's dtype, without padding.

    A batch that does not fit the memory is halved; StageError when one sequence alone does not fit.
    """
    found: dict[int, Tensor] = {}
    queue = batches([len(s) for s in sequences], budget)[::-1]
    while queue:
        rows = queue.pop()
        try:
            ids = pad([sequences[i] for i in rows], net.model.embed_tokens.weight.device)
            states = run(net, embed(net, ids), 0, stop)
        except torch.OutOfMemoryError:
            queue += halves(rows)[::-1]
            continue
        for i, row in zip(rows, states, strict=True):
            found[i] = row[: len(sequences[i])].clone()  # else the whole padded batch would stay in memory
    return [found[i] for i in range(len(sequences))]
