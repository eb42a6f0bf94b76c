"""Negative log-likelihood of answers, with or without gradients, from tokens or from kept hidden states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retrace.llm.kernels.layers import (
    Switch,
    embed,
    log_probabilities,
    no_switch,
    pad,
    pad_hidden,
    run,
    run_rows,
)
from retrace.llm.kernels.prefix import Below, through
from retrace.llm.rows import Row, batches, halves


def answer_nll(
    net: Any,
    rows: Sequence[Row],
    kept: Sequence[Tensor] | None = None,
    start: int = 0,
    below: Below | None = None,
) -> Tensor:
    """Summed NLL of every row's answer in nats, (B,), differentiable, in float32 at least.

    `kept` are the rows' hidden states before layer `start` (see `prefix.lower`); without them the rows start
    from their tokens (`below` as in `prefix.through`). The head is computed at the answers' positions only.
    ValueError for an empty answer.
    """
    _refuse_empty(rows)
    device = net.model.embed_tokens.weight.device
    if kept is None:
        states = through(net, pad([row.ids for row in rows], device), below=below)  # (B,T,D)
    else:
        states = run(net, pad_hidden(kept), start)
    firsts = range(0, states[..., 0].numel(), states.shape[1])
    states, targets = _read(states.flatten(0, 1), rows, firsts)
    owners = torch.tensor([i for i, row in enumerate(rows) for _ in row.answer], device=device)
    each = torch.arange(len(states), device=states.device)
    values = log_probabilities(net, states, each, targets)  # (K,)
    return values.new_zeros(len(rows)).index_add(0, owners, -values)


def answer_states(
    net: Any,
    rows: Sequence[Row],
    kept: Sequence[Tensor] | None = None,
    start: int = 0,
    again: bool = False,
) -> tuple[Tensor, Tensor]:
    """Final hidden states (K,D) that predict the tokens of answers, and these, row after row.

    Rows lie end to end, so no padding is computed, and no hook may ask for the batch's rows. `kept`, `start`
    and errors as in `answer_nll`, `again` as in `layers.run_rows`.
    """
    _refuse_empty(rows)
    if kept is None:
        ids = torch.tensor([token for row in rows for token in row.ids])
        states = embed(net, ids.to(net.model.embed_tokens.weight.device))  # (N,D), N tokens of all rows
    else:
        states = torch.cat(list(kept))
    lengths = [len(row.ids) for row in rows]
    return _read(run_rows(net, states, lengths, start, again), rows, accumulate(lengths[:-1], initial=0))


def _refuse_empty(rows: Sequence[Row]) -> None:
    if any(not row.answer for row in rows):
        raise ValueError("a row without an answer has no likelihood")


def _read(states: Tensor, rows: Sequence[Row], firsts: Iterable[int]) -> tuple[Tensor, Tensor]:
    """Of states (N,D) those before the answers' tokens, and these; row i begins at the i-th of `firsts`."""
    places = [
        first + t - 1 for first, row in zip(firsts, rows, strict=True) for t in range(row.start, len(row.ids))
    ]
    targets = [token for row in rows for token in row.answer]
    return states[torch.tensor(places, device=states.device)], torch.tensor(targets, device=states.device)


@torch.no_grad()
def mean_nll(
    net: Any,
    rows: Sequence[Row],
    kept: Sequence[Tensor] | None = None,
    start: int = 0,
    budget: int = 2048,
    switch: Switch = no_switch,
    below: Below | None = None,
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
            sums = answer_nll(net, [rows[i] for i in batch], some, start, below).double().cpu().numpy()
        except torch.OutOfMemoryError:
            queue += halves(batch)[::-1]
            continue
        found[batch] = sums / [len(rows[i].answer) for i in batch]
    return found
