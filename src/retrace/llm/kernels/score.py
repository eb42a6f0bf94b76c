"""Likelihoods of many options after a shared prefix, in one pass over prefix and options.

All options of an item stand in one row, as a tree: beginnings that options share are computed once, a token
sees the prefix and the tokens before it in its options, and positions start anew after the prefix. An item of
prefix P and m options costs |P| + the distinct beginnings of options instead of m|P| + sum |O|.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retrace.llm.kernels.cache import KeyValues
from retrace.llm.kernels.layers import Switch, embed, log_probabilities, no_switch, run
from retrace.llm.kernels.prefix import Below, through
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
        return len(self.prefix) + len(_tree(self.options).tokens)


@dataclass(frozen=True)
class _Tree:
    """Distinct beginnings of options: last token and number of earlier tokens, and whom each sees (N,N).

    `path[o][k]` is the beginning of option o that ends with its token k.
    """

    tokens: list[int]
    depth: list[int]
    sees: Tensor
    path: list[list[int]]

    @property
    def branches(self) -> bool:
        """Whether plain causal attention would let a token see another option's."""
        return not torch.equal(self.sees, self.sees.new_ones(self.sees.shape).tril())


@lru_cache(maxsize=4096)
def _tree(options: tuple[tuple[int, ...], ...]) -> _Tree:
    numbers: dict[tuple[int, ...], int] = {}
    for option in options:
        for end in range(1, len(option)):
            numbers.setdefault(option[:end], len(numbers))
    sees = torch.zeros(len(numbers), len(numbers), dtype=torch.bool)
    for beginning, number in numbers.items():
        sees[number, [numbers[beginning[:end]] for end in range(1, len(beginning) + 1)]] = True
    path = [[numbers[option[:end]] for end in range(1, len(option))] for option in options]
    return _Tree([b[-1] for b in numbers], [len(b) - 1 for b in numbers], sees, path)


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
    ids, positions = [], []
    reads: list[int] = []
    sources: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    owner = 0
    trees = [_tree(item.options) for item in items]
    for row, (item, tree) in enumerate(zip(items, trees, strict=True)):
        long, last = len(item.prefix), len(reads)
        blank = [0] * (width - item.inputs)
        ids.append([*item.prefix, *tree.tokens, *blank])
        positions.append([*range(long), *(long + depth for depth in tree.depth), *blank])
        reads += range(row * width + long - 1, row * width + item.inputs)
        for option, path in zip(item.options, tree.path, strict=True):
            sources += [last, *(last + 1 + number for number in path)]
            targets += option
            owners += [owner] * len(option)
            owner += 1
    mask = _mask(items, trees, width).to(device) if any(tree.branches for tree in trees) else None
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


def _mask(items: Sequence[Item], trees: Sequence[_Tree], width: int) -> Tensor:
    """Where a token may look (B,1,T,T): prefix and its own beginnings; padding, at prefix and itself."""
    mask = torch.ones(width, width, dtype=torch.bool).tril().repeat(len(items), 1, 1)  # (B,T,T)
    own = torch.eye(width, dtype=torch.bool)  # (T,T)
    for allowed, item, tree in zip(mask, items, trees, strict=True):
        long = len(item.prefix)
        allowed[:, long:] = own[:, long:]
        allowed[long : item.inputs, long : item.inputs] = tree.sees
    return mask[:, None]


def read(net: Any, packed: Packed, states: Tensor) -> list[Sums]:
    """Summed log-probability of every option, item by item, from final hidden states (B,T,D)."""
    chosen = states.flatten(0, 1)[packed.reads]  # (N,D)
    values = log_probabilities(net, chosen, packed.sources, packed.targets).double()  # (K,)
    sums = torch.zeros(sum(packed.options), dtype=torch.float64, device=values.device)
    sums.index_add_(0, packed.owners, values)  # (options of all items,)
    return np.split(sums.cpu().numpy(), np.cumsum(packed.options)[:-1])


def _after(net: Any, packed: Packed, common: Sequence[int]) -> Tensor:
    """Final hidden states of the packed rows when all of them follow `common`, which is computed once."""
    rows, width = packed.ids.shape  # B, T; C tokens in common
    cache = KeyValues(len(net.model.layers), width)
    run(net, embed(net, torch.tensor([list(common)], device=packed.ids.device)), cache=cache)  # (1,C,D)
    cache.take(torch.zeros(rows, dtype=torch.int64, device=packed.ids.device))  # keys and values (B,H,C,d)
    own = packed.mask  # (B,1,T,T)
    if own is None:
        square = torch.ones(width, width, dtype=torch.bool, device=packed.ids.device)  # (T,T)
        own = square.tril().expand(rows, 1, -1, -1)  # (B,1,T,T)
    seen = own.new_ones(rows, 1, width, len(common))  # (B,1,T,C)
    positions = packed.positions + len(common)  # (B,T)
    return run(net, embed(net, packed.ids), 0, None, positions, torch.cat([seen, own], 3), cache)  # (B,T,D)


@torch.no_grad()
def score(
    net: Any,
    items: Sequence[Item],
    budget: int = 2048,
    switch: Switch = no_switch,
    common: Sequence[int] = (),
    below: Below | None = None,
) -> list[Sums]:
    """Natural log-likelihood of every option after its prefix: one array (m,) an item, summed over tokens.

    `common` are tokens that precede every prefix (few-shot demonstrations, say): computed once a batch.
    `switch` is told which items make up the next batch; `below` as in `prefix.through`.
    A batch that does not fit the memory is halved.
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
                states = through(net, packed.ids, packed.positions, packed.mask, below)
            found |= dict(zip(rows, read(net, packed, states), strict=True))
        except torch.OutOfMemoryError:
            queue += halves(rows)[::-1]
    return [found[i] for i in range(len(items))]
