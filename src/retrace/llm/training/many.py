"""Train the adapters of many runs at once: every step passes the network once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from retrace.llm.kernels.layers import HEAD_ROWS
from retrace.llm.kernels.nll import answer_states
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
    of `rows[k]` before layer `start`, below which no adapter may sit. Rows lie end to end: no padding.
    Errors: ValueError when the lists do not have one entry a run.
    """
    if not len(rows) == len(settings) == len(seeds) == adapters.runs:
        raise ValueError(f"{adapters.runs} runs need as many lists of rows, settings and seeds")
    plans = [orders(len(r), s, seed) for r, s, seed in zip(rows, settings, seeds, strict=True)]
    adam = _Adam(adapters, settings)
    losses: list[list[float]] = [[] for _ in plans]
    parameters = list(adapters.parameters())
    for step in range(max(map(len, plans))):
        active = [run for run, plan in enumerate(plans) if step < len(plan)]
        batch = [(run, i) for run in active for i in plans[run][step]]
        some = None if kept is None else [kept[run][i] for run, i in batch]
        chosen = [rows[run][i] for run, i in batch]
        with adapters.end_to_end([run for run, _ in batch], [len(row.ids) for row in chosen]):
            hidden, targets = answer_states(net, chosen, some, start)  # (K,D), (K,)
            counts = [sum(len(rows[run][i].answer) for i in plans[run][step]) for run in active]
            weights = torch.cat([hidden.new_full((count,), 1 / count) for count in counts])
            total, each = _Surprise.apply(net.model.norm(hidden), net.lm_head.weight, targets, weights)
            gradients = torch.autograd.grad(total, parameters)
        means = [float(part.sum()) for part in each.split(counts)]
        rates = [0.0] * adapters.runs
        for mean, run in zip(means, active, strict=True):
            rates[run] = rate_at(step, len(plans[run]), settings[run])
            losses[run].append(mean)
        adam.step(gradients, rates)
    return losses


class _Surprise(torch.autograd.Function):
    """Weighted NLL of `targets` (K,) by a frozen head, from states (K,D) after the last norm; and its terms.

    The gradient (softmax - target) W is taken while the logits are there: none of them is kept.
    """

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, head: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        terms, slopes = [], []
        split = (torch.split(part, HEAD_ROWS) for part in (states, targets, weights))
        for block, wanted, weight in zip(*split, strict=True):
            made = linear(block.to(head.dtype), head)  # (n,V), n of the K states
            logs = made.log_softmax(1, dtype=torch.promote_types(made.dtype, torch.float32))  # (n,V)
            places = torch.arange(len(block), device=block.device), wanted
            terms.append(-logs[places] * weight)
            logs = logs.exp_()
            logs[places] -= 1
            slopes.append((logs.to(head.dtype) @ head).to(states.dtype) * weight[:, None])  # (n,D)
        ctx.slope = torch.cat(slopes)
        each = torch.cat(terms)
        ctx.mark_non_differentiable(each)
        return each.sum(), each

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.slope * gradients[0], None, None, None


class _Adam:
    """AdamW (Loshchilov and Hutter 2019) on all runs at once: they may differ in rate, decay and length.

    All runs begin together; one that is over has rate 0 from then on.
    """

    def __init__(self, adapters: Adapters, settings: Sequence[Settings]) -> None:
        self._parameters = list(adapters.parameters())
        self._decays, self._count = [s.decay for s in settings], 0
        self._first = [torch.zeros_like(p) for p in self._parameters]
        self._second = [torch.zeros_like(p) for p in self._parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], rates: Sequence[float]) -> None:
        self._count += 1
        near, far = 1 - 0.9**self._count, 1 - 0.999**self._count
        given = self._parameters[0]
        rate = given.new_tensor(rates)[:, None, None]  # (R,1,1)
        keep = 1 - rate * given.new_tensor(self._decays)[:, None, None]
        for p, g, m, v in zip(self._parameters, gradients, self._first, self._second, strict=True):
            m.lerp_(g, 0.1)
            v.mul_(0.999).addcmul_(g, g, value=0.001)
            p.mul_(keep).sub_((v / far).sqrt_().add_(1e-8).reciprocal_().mul_(m).mul_(rate / near))
