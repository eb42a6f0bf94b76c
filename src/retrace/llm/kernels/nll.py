"""Negative log-likelihood of answers, with or without gradients, from tokens or from kept hidden states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retrace.llm.kernels.layers import Switch, embed, log_probabilities, no_switch, pad, pad_hidden, run
from retrace.llm.rows import Row, batches, halves


def answer_nll(net: Any, rows: Sequence[Row], kept: Sequence[Tensor] | None = None, start: int = 0) -> Tensor:
    """Summed NLL of every row's answer in nats, (B,), differentiable, in float32 at least.

    `kept` are the rows' hidden states before layer `start` (see `prefix.lower`); without them the rows start
    from their tokens. The head is computed at the answers' positions only. ValueError for an empty answer.
    """
    states, owners, targets = answer_states(net, rows, kept, start)
    each = torch.arange(len(states), device=states.device)
    values = log_probabilities(net, states, each, targets)  # (K,)
    return values.new_zeros(len(rows)).index_add(0, owners, -values)


def answer_states(
    net: Any, rows: Sequence[Row], kept: Sequence[Tensor] | None = None, start: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Final hidden states (K,D) that predict the tokens of answers, the rows these belong to, the tokens.

    `kept`, `start` and errors as in `answer_nll`.
    """
    if any(not row.answer for row in rows):
        raise ValueError("a row without an answer has no likelihood")
    device = net.model.embed_tokens.weight.device
    states = embed(net, pad([row.ids for row in rows], device)) if kept is None else pad_hidden(kept)
    states = run(net, states, start)  # (B,T,D)
    width = states.shape[1]
    places = [i * width + t - 1 for i, row in enumerate(rows) for t in range(row.start, len(row.ids))]
    owners = [i for i, row in enumerate(rows) for _ in row.answer]
    targets = [token for row in rows for token in row.answer]
    where = [torch.tensor(values, device=device) for values in (places, owners, targets)]
    return states.flatten(0, 1)[where[0]], where[1], where[2]


@torch.no_grad()
def mean_nll(
    net: Any,
    rows: Sequence[Row],
    kept: Sequence[Tensor] | None = None,
    start: int = 0,
    budget: int = 2048,
    switch: Switch = no_switch,
) -> npt.NDArray[np.float64]:
    """NLL a token of every row's answer, float64 (N,): `answer_nll` in batches, divided by the lengths.

    `switch` is told which rows make up the next batch. A batch that does not fit the memory is halved.
    """
    found = np.zeros(len(rows))
    queue = batches([len(row.ids) for row in rows], budget)[::-1]
    while queue:
        batch = queue.pop()
        try:
            switch(batch)
            some = None if kept is None else [kept[i] for i in batch]
            sums = answer_nll(net, [rows[i] for i in batch], some, start).double().cpu().numpy()
        except torch.OutOfMemoryError:
            queue += halves(batch)[::-1]
            continue
        found[batch] = sums / [len(rows[i].answer) for i in batch]
    return found
