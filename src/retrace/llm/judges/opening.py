"""Would the model open its answer with this very sentence? Asked by likelihood: nothing is generated.

Greedy decoding opens with a sentence exactly if each of its tokens is the likeliest one after those before it,
which one pass over prompt and sentence tells, beside the sentence's log-likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from retrace.llm.kernels.layers import HEAD_ROWS, Switch, logits, no_switch, pad
from retrace.llm.kernels.prefix import Below, through
from retrace.llm.rows import Row, batches


@dataclass(frozen=True)
class Openings:
    """By row: log-likelihood of its answer `sums` (N,), nats, and whether greedy decoding gives it, `exact`."""

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
    below: Below | None = None,
) -> Openings:
    """What `net` makes of every row's answer; `switch` and `below` as in `score.score`.

    ValueError for a row without an answer.
    """
    if any(not row.answer for row in rows):
        raise ValueError("a row without an answer has no likelihood")
    device = net.model.embed_tokens.weight.device
    sums, exact = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
    for batch in batches([len(row.ids) - 1 for row in rows], budget):
        chosen = [rows[i] for i in batch]
        switch(batch)
        states = through(net, pad([row.ids[:-1] for row in chosen], device), below=below)
        read = torch.cat([x[row.start - 1 : len(row.ids) - 1] for x, row in zip(states, chosen, strict=True)])
        targets = torch.tensor([token for row in chosen for token in row.answer], device=device)
        values, likeliest = [], []
        for block, wanted in zip(read.split(HEAD_ROWS), targets.split(HEAD_ROWS), strict=True):
            made = logits(net, block)  # (n,V)
            values.append(made.log_softmax(1).gather(1, wanted[:, None])[:, 0])
            likeliest.append(made.argmax(1) == wanted)
        counts = [len(row.answer) for row in chosen]
        for i, value, right in zip(
            batch, torch.cat(values).double().split(counts), torch.cat(likeliest).split(counts), strict=True
        ):
            sums[i], exact[i] = float(value.sum()), bool(right.all())
    return Openings(sums, exact)
