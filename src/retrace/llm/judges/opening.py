"""Would the model open its answer with this very sentence? Asked by likelihood: nothing is generated.

Greedy decoding opens with a sentence exactly if each of its tokens is the likeliest one after those before
it, which one pass over prompt and sentence tells, beside the sentence's log-likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retrace.llm.kernels.layers import HEAD_ROWS, Switch, embed, logits, no_switch, pad, pad_hidden, run
from retrace.llm.rows import Row, batches


@dataclass(frozen=True)
class Openings:
    """By row: log-likelihood of its answer `sums` (N,), nats; `exact` (N,): greedy decoding gives it."""

    sums: npt.NDArray[np.float64]
    exact: npt.NDArray[np.bool_]

    def part(self, first: int, last: int) -> Openings:
        """Those of rows `first` up to `last`."""
        return Openings(self.sums[first:last], self.exact[first:last])


@torch.no_grad()
def openings(
    net: Any,
    rows: Sequence[Row],
    budget: int = 1024,
    switch: Switch = no_switch,
    kept: Sequence[Tensor] | None = None,
    start: int = 0,
) -> Openings:
    """What `net` makes of every row's answer; `switch` is told which rows make up the next batch.

    `kept` are the rows' hidden states before layer `start` (`prefix.lower`); without them rows start from
    their tokens.

    ValueError for a row without an answer.
    """
    if any(not row.answer for row in rows):
        raise ValueError("a row without an answer has no likelihood")
    device = net.model.embed_tokens.weight.device
    sums, exact = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
    for batch in batches([len(row.ids) - 1 for row in rows], budget):
        chosen = [rows[i] for i in batch]
        switch(batch)
        if kept is None:
            states = run(net, embed(net, pad([row.ids[:-1] for row in chosen], device)))
        else:
            states = run(net, pad_hidden([kept[i][:-1] for i in batch]), start)
        read = torch.cat([x[row.start - 1 : len(row.ids) - 1] for x, row in zip(states, chosen, strict=True)])
        targets = torch.tensor([token for row in chosen for token in row.answer], device=device)
        values, likeliest = [], []
        for block, wanted in zip(torch.split(read, HEAD_ROWS), torch.split(targets, HEAD_ROWS), strict=True):
            made = logits(net, block)  # (n,V)
            values.append(made.log_softmax(1).gather(1, wanted[:, None])[:, 0])
            likeliest.append(made.argmax(1) == wanted)
        counts = [len(row.answer) for row in chosen]
        parts = torch.split(torch.cat(values).double(), counts), torch.split(torch.cat(likeliest), counts)
        for i, value, right in zip(batch, *parts, strict=True):
            sums[i], exact[i] = float(value.sum()), bool(right.all())
    return Openings(sums, exact)
