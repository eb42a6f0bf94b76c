"""Voters: every group continues the same prompt after its own examples; keys and values are kept.

The shared framing is computed once, a group's examples when it is first chosen, and of the prompt that grows
only the tokens that the group has not seen yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from retrace.llm.kernels.cache import KeyValues
from retrace.llm.kernels.layers import embed, logits, run
from retrace.llm.rows import batches

BUDGET = 1024  # tokens computed at once: on a CPU larger batches leave its cache


class _Once(KeyValues):
    """Keys and values (B,H,T,d) of one pass, layer after layer."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Tensor, Tensor]] = []

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Keep them."""
        self.pairs.append((keys, values))
        return keys, values


class GroupCache(KeyValues):
    """What transformers' attention asks of a cache, for some of many rows whose lengths differ.

    `shared` are keys and values (1,H,P,d) by layer that stand before every row.
    """

    def __init__(self, shared: Sequence[tuple[Tensor, Tensor]], rows: int, room: int) -> None:
        heads, width = shared[0][0].shape[1], shared[0][0].shape[3]
        shape = (rows, room + 1, heads, width)  # the last place takes what padding writes
        self.shared, self.room = list(shared), room
        self._own = [(k.new_zeros(shape), v.new_zeros(shape)) for k, v in shared]
        self._rows = torch.zeros(0, dtype=torch.int64)
        self._places = torch.zeros(0, 0, dtype=torch.int64)
        self._width = 0

    def at(self, rows: Tensor, places: Tensor, width: int) -> None:
        """Say what the next pass computes: places (B,T) in rows (B,), and how many places it may see."""
        self._rows, self._places, self._width = rows, places.clamp_max(self.room), width

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write keys and values (B,H,T,d) of a layer; what the rows may see, (B,H,P+width,d)."""
        found = []
        for new, kept, before in zip((keys, values), self._own[layer], self.shared[layer], strict=True):
            kept[self._rows[:, None], self._places] = new.transpose(1, 2)
            own = kept[self._rows, : self._width].transpose(1, 2)
            found.append(torch.cat([before.expand(len(own), -1, -1, -1), own], 2))
        return found[0], found[1]


class Voters:
    """Groups of one model and one framing; `tails` are their own tokens, `room` the longest prompt.

    Equal to computing every group's whole prompt anew, token by token (a test compares them).
    """

    def __init__(self, net: Any, shared: Sequence[int], tails: Sequence[Sequence[int]], room: int) -> None:
        self.net, self.tails = net, [tuple(t) for t in tails]
        self._before = len(shared)
        self._device = net.model.embed_tokens.weight.device
        with torch.no_grad():
            once = _Once()
            run(net, embed(net, torch.tensor([list(shared)], device=self._device)), cache=once)
        self._cache = GroupCache(once.pairs, len(tails), max(map(len, tails)) + room)
        self._done = [0] * len(tails)  # tokens of tail and prompt that a group has computed
        self._said: list[tuple[int, ...]] = [()] * len(tails)  # of the prompt, those among them
        self.computed = 0  # tokens, padding left out

    @torch.no_grad()
    def logits(self, groups: Sequence[int], prompt: Sequence[int]) -> Tensor:
        """Logits (J,V) of the token after `prompt` by the groups chosen, each at most once.

        A group whose last prompt began otherwise keeps what both have in common.
        """
        said = tuple(prompt)
        for group in groups:
            self._forget(group, said)
        todo = [(*self.tails[g], *said)[self._done[g] :] for g in groups]
        found: dict[int, Tensor] = {}
        for batch in batches([len(t) for t in todo], BUDGET):
            states = self._pass([groups[i] for i in batch], [todo[i] for i in batch])
            for place, i in enumerate(batch):
                found[i] = states[place]
        for group, new in zip(groups, todo, strict=True):
            self._done[group] += len(new)
            self._said[group] = said
            self.computed += len(new)
        return logits(self.net, torch.stack([found[i] for i in range(len(groups))]))

    def _forget(self, group: int, said: tuple[int, ...]) -> None:
        """Go back to where the group's last prompt and this one part; the last token is always computed."""
        own = len(self.tails[group])
        common = 0
        for a, b in zip(self._said[group], said, strict=False):
            if a != b:
                break
            common += 1
        self._done[group] = min(self._done[group], own + common, own + len(said) - 1)

    def _pass(self, groups: Sequence[int], todo: Sequence[Sequence[int]]) -> Tensor:
        """Final hidden states (B,D) after each group's new tokens."""
        device, wide = self._device, max(map(len, todo))
        ids = torch.tensor([[*t, *[0] * (wide - len(t))] for t in todo], device=device)
        used = torch.tensor([self._done[g] for g in groups], device=device)
        places = used[:, None] + torch.arange(wide, device=device)  # (B,T)
        width = max(self._done[g] + len(t) for g, t in zip(groups, todo, strict=True))
        seen = torch.arange(width, device=device) <= places[:, :, None]  # (B,T,width)
        mask = torch.cat([seen.new_ones(*seen.shape[:2], self._before), seen], 2)[:, None]
        self._cache.at(torch.tensor(list(groups), device=device), places, width)
        states = run(self.net, embed(self.net, ids), 0, None, places + self._before, mask, self._cache)
        last = torch.tensor([len(t) - 1 for t in todo], device=device)
        return states[torch.arange(len(todo), device=device), last]


def cast(values: Tensor, noise: Tensor, temperature: float) -> list[int]:
    """One token a voter, sampled from logits (J,V) at `temperature` by Gumbel noise (J,V): Gumbel-max."""
    return [int(t) for t in (values / temperature + noise.to(values)).argmax(1)]
