"""Train the adapters of many runs at once: every step passes the network once for all of them.

No study uses this yet: the studies that fine-tune with low-rank adapters (backdoors, compression) do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from retrace.llm.kernels.nll import answer_nll
from retrace.llm.rows import Row
from retrace.llm.training.adapters import Adapters
from retrace.llm.training.steps import Settings, orders, rate_at


def train_adapters(
    net: Any,
    adapters: Adapters,
    rows: Sequence[Sequence[Row]],
    settings: Sequence[Settings],
    seeds: Sequence[int],
    kept: Sequence[Sequence[Tensor]] | None = None,
    start: int = 0,
) -> list[list[float]]:
    """Train run k on `rows[k]` with `settings[k]`; every run's losses (mean NLL of answer tokens) by step.

    The runs' losses are added: their gradients do not meet, so each run ends as if trained alone (up to the
    rounding of larger batches). A run that has taken all its steps stands still. `kept[k]` are hidden states
    of `rows[k]` before layer `start`, below which no adapter may sit.
    Errors: ValueError when the lists do not have one entry a run.
    """
    if not len(rows) == len(settings) == len(seeds) == adapters.runs:
        raise ValueError(f"{adapters.runs} runs need as many lists of rows, settings and seeds")
    plans = [orders(len(r), s, seed) for r, s, seed in zip(rows, settings, seeds, strict=True)]
    states = [_Adam(adapters, s) for s in settings]
    losses: list[list[float]] = [[] for _ in plans]
    for step in range(max(map(len, plans))):
        active = [run for run, plan in enumerate(plans) if step < len(plan)]
        batch = [(run, i) for run in active for i in plans[run][step]]
        some = None if kept is None else [kept[run][i] for run, i in batch]
        chosen = [rows[run][i] for run, i in batch]
        with adapters.attached([run for run, _ in batch]) as switch:
            switch(range(len(batch)))
            sums = answer_nll(net, chosen, some, start)
            owner = torch.tensor([run for run, _ in batch], device=sums.device)
            tokens = sums.new_tensor([len(row.answer) for row in chosen])
            zeros = sums.new_zeros(adapters.runs)
            means = zeros.index_add(0, owner, sums) / zeros.index_add(0, owner, tokens).clamp_min(1)
            gradients = torch.autograd.grad(means.sum(), list(adapters.parameters()))
        for run in active:
            states[run].step(run, gradients, rate_at(step, len(plans[run]), settings[run]))
            losses[run].append(float(means[run].detach()))
    return losses


class _Adam:
    """AdamW (Loshchilov and Hutter 2019) on one run's slices: runs may differ in rate, decay and length."""

    def __init__(self, adapters: Adapters, settings: Settings) -> None:
        self._parameters = list(adapters.parameters())
        self._decay, self._count = settings.decay, 0
        self._first = [torch.zeros_like(p[0]) for p in self._parameters]
        self._second = [torch.zeros_like(p[0]) for p in self._parameters]

    @torch.no_grad()
    def step(self, run: int, gradients: Sequence[Tensor], rate: float) -> None:
        self._count += 1
        near, far = 1 - 0.9**self._count, 1 - 0.999**self._count
        for parameter, gradient, m, v in zip(
            self._parameters, gradients, self._first, self._second, strict=True
        ):
            g = gradient[run]
            m.lerp_(g, 0.1)
            v.mul_(0.999).addcmul_(g, g, value=0.001)
            part = parameter[run]
            part.mul_(1 - rate * self._decay).sub_(rate * (m / near) / ((v / far).sqrt() + 1e-8))
