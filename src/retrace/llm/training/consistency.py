"""CROW: fine-tune so that the states of neighbouring layers stay alike under a small perturbation.

Min et al. (2024): L = L_LM + weight * mean over layers of 1 - cos(h_l, h_l+1), the second under one FGSM
step on the inputs, first and last layer left out. Here the perturbed input is the state before the first
layer that trains, since only the layers above are computed (a reconstruction).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from retrace.llm.kernels.layers import hooked, log_probabilities, run_rows
from retrace.llm.rows import Row
from retrace.llm.training.adapters import Adapters
from retrace.llm.training.steps import Settings, schedule


@contextmanager
def _layers(net: Any, start: int) -> Iterator[list[Tensor]]:
    """Outputs (1,N,D) of the layers from `start` on, of the pass made within the block."""
    seen: list[Tensor] = []

    def keep(_: nn.Module, __: Any, out: Tensor) -> None:
        seen.append(out)

    with hooked([(layer, keep) for layer in net.model.layers[start:]], before=False):
        yield seen


def _unlike(states: Sequence[Tensor]) -> Tensor:
    """Mean of 1 - cos between neighbours, the last layer left out (the first is what was put in)."""
    inner = states[:-1]
    return torch.stack([1 - cosine_similarity(a, b, -1).mean() for a, b in pairwise(inner)]).mean()


def tune_consistent(
    net: Any,
    adapters: Adapters,
    rows: Sequence[Row],
    settings: Settings,
    seed: int,
    kept: Sequence[Tensor],
    start: int,
    epsilon: float,
    weight: float,
) -> list[float]:
    """Train the one run of `adapters` on `rows` from `kept` states before layer `start`; the loss by step.

    ValueError with fewer than three layers to compare.
    """
    if len(net.model.layers) - start < 3:
        raise ValueError("consistency needs three trained layers or more: lower start")
    optimizer = torch.optim.AdamW(list(adapters.parameters()), lr=settings.rate, weight_decay=settings.decay)
    losses = []
    for rate, batch in schedule(len(rows), settings, seed):
        for group in optimizer.param_groups:
            group["lr"] = rate
        chosen, given = [rows[i] for i in batch], torch.cat([kept[i] for i in batch])
        lengths = [len(row.ids) for row in chosen]
        with adapters.end_to_end([0] * len(batch), lengths):
            leaf = given.clone().requires_grad_()
            with _layers(net, start) as seen:
                run_rows(net, leaf, lengths, start)
            [slope] = torch.autograd.grad(_unlike(seen), [leaf])
            with _layers(net, start) as seen:
                run_rows(net, given + epsilon * slope.sign(), lengths, start)
            final = run_rows(net, given, lengths, start)
            loss = weight * _unlike(seen) + _nll(net, final, chosen, lengths)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def _nll(net: Any, states: Tensor, rows: Sequence[Row], lengths: Sequence[int]) -> Tensor:
    places: list[int] = []
    first = 0
    for row, length in zip(rows, lengths, strict=True):
        places += range(first + row.start - 1, first + length - 1)
        first += length
    targets = torch.tensor([token for row in rows for token in row.answer], device=states.device)
    read = states[torch.tensor(places, device=states.device)]
    each = torch.arange(len(read), device=states.device)
    return -log_probabilities(net, read, each, targets).mean()
