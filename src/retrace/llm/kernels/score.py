"""Likelihoods of many options after a shared prefix, in one pass over prefix and options.

All options of an item stand in one row: each sees the prefix and itself, and positions start anew after the
prefix. An item of prefix P and m options costs |P| + sum |O| tokens instead of m|P| + sum |O|.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retrace.llm.kernels.cache import KeyValues
from retrace.llm.kernels.layers import Switch, embed, log_probabilities, no_switch, run
from retrace.llm.rows import batches, halves

Sums = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Item:
    """A prefix (at least one token) and the options (each at least one token) that may follow it."""

    prefix: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        """Refuse what cannot be scored."""
        if not self.prefix or not self.options or not all(self.options):
            raise ValueError("an item needs a prefix, options, and at least one token in each")

    @property
    def inputs(self) -> int:
        """Tokens to compute: an option's last token is only ever predicted."""
        return len(self.prefix) + sum(len(option) - 1 for option in self.options)


@dataclass(frozen=True)
class Packed:
    """A batch of items: inputs and positions (B,T), mask (B,1,T,T) or None, and what is read where.

    `reads` (N,) are flat positions of hidden states; target k is token `targets[k]` after state `sources[k]`
    of these, and belongs to option `owners[k]`, counted through all items.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor | None
    reads: Tensor
    sources: Tensor
    targets: Tensor
    owners: Tensor
    options: tuple[int, ...]


def pack(items: Sequence[Item], device: torch.device) -> Packed:
    """Lay out items in right-padded rows."""
    width = max(item.inputs for item in items)
    ids, positions, segments = [], [], []
    reads: list[int] = []
    sources: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    owner = 0
    for row, item in enumerate(items):
        line, place, segment = list(item.prefix), list(range(len(item.prefix))), [0] * len(item.prefix)
        last = len(reads)
        reads.append(row * width + len(line) - 1)
        for number, option in enumerate(item.options, 1):
            sources += [last, *range(len(reads), len(reads) + len(option) - 1)]
            reads += range(row * width + len(line), row * width + len(line) + len(option) - 1)
            targets += option
            owners += [owner] * len(option)
            owner += 1
            line += option[:-1]
            place += range(len(item.prefix), len(item.prefix) + len(option) - 1)
            segment += [number] * (len(option) - 1)
        blank = width - len(line)
        ids.append(line + [0] * blank)
        positions.append(place + [0] * blank)
        segments.append(segment + [-1] * blank)
    mask = _mask(torch.tensor(segments, device=device)) if any(_branches(item) for item in items) else None
    return Packed(
        ids=torch.tensor(ids, device=device),
        positions=torch.tensor(positions, device=device),
        mask=mask,
        reads=torch.tensor(reads, device=device),
        sources=torch.tensor(sources, device=device),
        targets=torch.tensor(targets, device=device),
        owners=torch.tensor(owners, device=device),
        options=tuple(len(item.options) for item in items),
    )


def _branches(item: Item) -> bool:
    return sum(len(option) > 1 for option in item.options) > 1


def _mask(segments: Tensor) -> Tensor:
    width = segments.shape[1]
    earlier = torch.ones(width, width, dtype=torch.bool, device=segments.device).tril()
    keys, queries = segments[:, None, :], segments[:, :, None]
    return (earlier & ((keys == 0) | (keys == queries)))[:, None]


def read(net: Any, packed: Packed, states: Tensor) -> list[Sums]:
    """Summed log-probability of every option, item by item, from final hidden states (B,T,D)."""
    chosen = states.flatten(0, 1)[packed.reads]
    values = log_probabilities(net, chosen, packed.sources, packed.targets).double()
    sums = torch.zeros(sum(packed.options), dtype=torch.float64, device=values.device)
    sums.index_add_(0, packed.owners, values)
    return np.split(sums.cpu().numpy(), np.cumsum(packed.options)[:-1])


def _after(net: Any, packed: Packed, common: Sequence[int]) -> Tensor:
    """Final hidden states of the packed rows when all of them follow `common`, which is computed once."""
    rows, width = packed.ids.shape
    cache = KeyValues(len(net.model.layers), width)
    run(net, embed(net, torch.tensor([list(common)], device=packed.ids.device)), cache=cache)
    cache.take(torch.zeros(rows, dtype=torch.int64, device=packed.ids.device))
    own = packed.mask
    if own is None:
        square = torch.ones(width, width, dtype=torch.bool, device=packed.ids.device)
        own = square.tril().expand(rows, 1, -1, -1)
    seen = own.new_ones(rows, 1, width, len(common))
    positions = packed.positions + len(common)
    return run(net, embed(net, packed.ids), 0, None, positions, torch.cat([seen, own], 3), cache)


@torch.no_grad()
def score(
    net: Any,
    items: Sequence[Item],
    budget: int = 2048,
    switch: Switch = no_switch,
    common: Sequence[int] = (),
) -> list[Sums]:
    """Natural log-likelihood of every option after its prefix: one array (m,) an item, summed over tokens.

    `common` are tokens that precede every prefix (few-shot demonstrations, say): computed once a batch.
    `switch` is told which items make up the next batch. A batch that does not fit the memory is halved.
    Errors: StageError when one item alone does not fit; ValueError for `common` with a `switch`, because
    rows that are computed differently cannot share it.
    """
    if common and switch is not no_switch:
        raise ValueError("rows of different variants cannot share a common block")
    found: dict[int, Sums] = {}
    queue = batches([item.inputs for item in items], budget)[::-1]
    while queue:
        rows = queue.pop()
        try:
            packed = pack([items[i] for i in rows], net.model.embed_tokens.weight.device)
            switch(rows)
            if common:
                states = _after(net, packed, common)
            else:
                states = run(net, embed(net, packed.ids), positions=packed.positions, mask=packed.mask)
            found |= dict(zip(rows, read(net, packed, states), strict=True))
        except torch.OutOfMemoryError:
            queue += halves(rows)[::-1]
    return [found[i] for i in range(len(items))]
