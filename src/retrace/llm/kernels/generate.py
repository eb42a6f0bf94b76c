"""Greedy generation of a batch; rows leave it as soon as they are done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from retrace.llm.kernels.cache import KeyValues
from retrace.llm.kernels.layers import Switch, embed, logits, no_switch, pad, run
from retrace.llm.rows import batches, halves

Done = Callable[[Sequence[int]], bool]


@torch.no_grad()
def generate(
    net: Any,
    prompts: Sequence[Sequence[int]],
    new: int,
    ends: int,
    budget: int = 2048,
    switch: Switch = no_switch,
    copies: int = 1,
    shared: int = 0,
    done: Done | None = None,
) -> list[list[list[int]]]:
    """The most likely next token, again and again: at most `new` tokens a prompt, by copy and by prompt.

    A row leaves after the token `ends` (kept out of the answer), or when `done` says so of its tokens so
    far. `copies` variants of the network answer every prompt: row c * len(prompts) + i is prompt i in copy
    c, `switch` is told the rows of the batch, and layers below `shared` are alike in all copies, so prompts
    pass them once. A batch that does not fit the memory is halved. `budget` counts tokens, copies included.
    """
    count = len(prompts)
    found: list[list[list[int]]] = [[[] for _ in range(count)] for _ in range(copies)]
    queue = batches([(len(prompt) + new) * copies for prompt in prompts], budget)[::-1]
    while queue:
        rows = queue.pop()
        try:
            answers = _batch(net, prompts, rows, new, ends, switch, copies, shared, done)
        except torch.OutOfMemoryError:
            queue += halves(rows)[::-1]
            continue
        for row, answer in answers.items():
            found[row // count][row % count] = answer
    return found


def _batch(
    net: Any,
    prompts: Sequence[Sequence[int]],
    rows: list[int],
    new: int,
    ends: int,
    switch: Switch,
    copies: int,
    shared: int,
    done: Done | None,
) -> dict[int, list[int]]:
    device = net.model.embed_tokens.weight.device
    ids = pad([prompts[i] for i in rows], device, left=True)
    width = ids.shape[1]
    blank = torch.tensor([width - len(prompts[i]) for i in rows], device=device)
    real = torch.arange(width, device=device) >= blank[:, None]
    cache = KeyValues(len(net.model.layers), new)
    states = run(net, embed(net, ids), 0, shared, _positions(real), _mask(real), cache)
    every = torch.arange(len(rows), device=device).repeat(copies)
    states, real = states[every], real[every]
    cache.take(every)
    alive = [copy * len(prompts) + i for copy in range(copies) for i in rows]
    answers: dict[int, list[int]] = {row: [] for row in alive}
    switch(alive)
    states = run(net, states, shared, None, _positions(real), _mask(real), cache)
    for step in range(new):
        tokens = logits(net, states[:, -1]).argmax(1)
        stay = _receive(answers, alive, tokens.tolist(), ends, done)
        if not stay or step == new - 1:
            break
        if len(stay) < len(alive):
            chosen = torch.tensor(stay, device=device)
            alive, tokens, real = [alive[i] for i in stay], tokens[chosen], real[chosen]
            cache.take(chosen)
            switch(alive)
        real = torch.cat([real, real.new_ones(len(real), 1)], 1)
        states = run(
            net, embed(net, tokens[:, None]), 0, None, _positions(real)[:, -1:], real[:, None, None], cache
        )
    return answers


def _receive(
    answers: dict[int, list[int]], alive: list[int], tokens: list[int], ends: int, done: Done | None
) -> list[int]:
    """Append the tokens; places in the batch of the rows that stay."""
    stay = []
    for place, (row, token) in enumerate(zip(alive, tokens, strict=True)):
        if token == ends:
            continue
        answers[row].append(token)
        if done is None or not done(answers[row]):
            stay.append(place)
    return stay


def _positions(real: Tensor) -> Tensor:
    return (real.cumsum(1) - 1).clamp_min(0)


def _mask(real: Tensor) -> Tensor | None:
    if bool(real.all()):
        return None
    width = real.shape[1]
    square = torch.ones(width, width, dtype=torch.bool, device=real.device)
    # padding looks at itself: a row of softmax without any key would be undefined
    return ((square.tril() & real[:, None, :]) | torch.eye(width, dtype=torch.bool, device=real.device))[
        :, None
    ]
