"""Scores of single weights: how much learning and how much membership leakage hang on each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retrace.defenses.membership.bench import Bench
from retrace.seeds import derive
from retrace.training.fit import cross_entropies, orders
from retrace.training.shadows import Shadows, Tensors

Direction = Literal["initial-current", "current-initial"]


def weight_scores(
    bench: Bench,
    models: Shadows,
    weight: float,
    rate: float,
    passes: int,
    direction: Direction = "initial-current",
) -> Tensors:
    """Accumulated |gradient * value| of every weight, name -> (G,...), over `passes` over the members.

    Each step descends (1 - weight) * CE(members) + weight * KL(reference), the divergence between what the
    untrained and the present models say of reference non-members, on a copy of `models`. Weight 0 gives the
    learnability score (Taylor importance, Molchanov et al. 2019), 0 < weight < 1 CWRF's vulnerability.
    Source: Fang and Kim, CWRF (ICLR 2026); step size, number of steps and direction of KL are our choice.
    """
    moving = models.copy()
    total = {name: torch.zeros_like(p) for name, p in moving.params.items()}
    for rows, others in _batches(bench, moving, passes):
        logits, _ = moving.forward(bench.x[rows], train=True)
        loss = (1 - weight) * cross_entropies(logits, bench.y[rows]).mean(1)
        if weight:
            z = bench.reference_x[others]
            with torch.no_grad():
                before = F.log_softmax(bench.start.forward(z)[0], -1)
            now = F.log_softmax(moving.forward(z, train=True)[0], -1)
            p, q = (before, now) if direction == "initial-current" else (now, before)
            loss = loss + weight * (p.exp() * (p - q)).sum(-1).mean(1)
        gradients = torch.autograd.grad(loss.sum(), list(moving.params.values()))
        with torch.no_grad():
            for (name, value), gradient in zip(moving.params.items(), gradients, strict=True):
                total[name] += (gradient * value).abs()
                value.sub_(rate * gradient)
    return total


def _batches(bench: Bench, models: Shadows, passes: int) -> Iterator[tuple[Tensor, Tensor]]:
    device, members, others = bench.x.device, bench.rows.shape[1], len(bench.reference_x)
    for epoch in range(passes):
        seed = derive(bench.seed, "scores")
        shuffled = bench.rows.gather(1, orders(models.numbers, members, epoch, seed).to(device))
        reference = orders(models.numbers, others, epoch, derive(seed, "reference")).to(device)
        size = min(bench.schedule.batch, others)
        for step, rows in enumerate(torch.split(shuffled, bench.schedule.batch, 1)):
            at = torch.arange(step * size, (step + 1) * size, device=device) % others
            yield rows, reference[:, at]


def flat(scores: Mapping[str, Tensor]) -> Tensor:
    """All scores of each model in one row, (G,n), in the order of the names."""
    return torch.cat([values.flatten(1) for values in scores.values()], 1)


def top_mask(scores: Mapping[str, Tensor], rate: float) -> Tensors:
    """Masks of exactly the `rate` share of highest scores in each model (one at least), name -> (G,...).

    All weights of a model compete in one ranking; of equal scores the earlier weight is taken.
    """
    row = flat(scores)
    count = max(1, round(rate * row.shape[1]))
    chosen = torch.zeros_like(row, dtype=torch.bool)
    chosen.scatter_(1, row.sort(dim=1, descending=True, stable=True).indices[:, :count], True)
    parts = torch.split(chosen, [values[0].numel() for values in scores.values()], 1)
    return {name: part.view_as(scores[name]) for name, part in zip(scores, parts, strict=True)}


def kinds(models: Shadows) -> dict[str, str]:
    """Parameter name -> conv, linear, norm or bias (of the first two)."""
    found = {}
    for owner, module in models.base.named_modules():
        for name, _ in module.named_parameters(recurse=False):
            kind = "norm"
            if isinstance(module, nn.Conv2d | nn.Linear):
                kind = "bias" if name == "bias" else "conv" if isinstance(module, nn.Conv2d) else "linear"
            found[f"{owner}.{name}" if owner else name] = kind
    return found


def pearson(a: Tensor, b: Tensor) -> list[float]:
    """Pearson correlation of each model's rows (G,n); 0 where a row is constant."""
    u, v = (t.double() - t.double().mean(1, keepdim=True) for t in (a, b))
    scale = (u.square().sum(1) * v.square().sum(1)).sqrt()
    return torch.where(scale > 0, (u * v).sum(1) / scale, torch.zeros_like(scale)).tolist()
