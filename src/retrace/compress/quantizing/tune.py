"""Quantization-aware training: a network that rounds goes on training, groups drawn or weighed as asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retrace.compress.quantizing.names import Sampling, Weighting
from retrace.stage import StageError
from retrace.training.optim import Optimiser, OptimiserSettings

EFFECTIVE = 0.999  # beta of the class-balanced loss


@dataclass(frozen=True)
class TuneSettings:
    """SGD whose rate falls along a cosine; how groups are drawn and weighed."""

    epochs: int = 3
    batch: int = 64
    learning_rate: float = 0.005
    weight_decay: float = 5e-4
    sampling: Sampling = "plain"
    weighting: Weighting = "none"


def group_weights(counts: Tensor, weighting: Weighting) -> Tensor:
    """The loss weight of an example of each group, (G,) float32, from counts (G,); mean 1 over examples.

    `inverse`: n / (G n_a). `effective`: (1 - beta) / (1 - beta^n_a) with beta 0.999 (Cui et al., CVPR 2019).
    """
    n = counts.double()
    if weighting == "none":
        return torch.ones_like(n).float()
    raw = 1 / n if weighting == "inverse" else (1 - EFFECTIVE) / (1 - EFFECTIVE**n)
    return (raw * n.sum() / (raw * n).sum()).float()


def epoch_rows(groups: Tensor, sampling: Sampling, batch: int, generator: torch.Generator) -> Tensor:
    """Rows (M,) of one epoch, in order, for groups (N,) that are all present.

    `plain`: all, shuffled. `over`: N drawn with replacement, every group as often. `under`: of each group as
    many as the smallest has, drawn anew. `balanced`: as `over`, and every batch holds all groups alike.
    """
    n, counts = len(groups), torch.bincount(groups)
    if sampling == "plain":
        return torch.randperm(n, generator=generator)
    if sampling == "over":
        return torch.multinomial((1 / counts.double())[groups], n, replacement=True, generator=generator)
    kinds = len(counts)
    each = int(counts.min()) if sampling == "under" else -(-n // kinds)
    drawn = []
    for group in range(kinds):
        own = (groups == group).nonzero().flatten()
        if sampling == "under":
            drawn.append(own[torch.randperm(len(own), generator=generator)[:each]])
        else:
            drawn.append(own[torch.randint(len(own), (each,), generator=generator)])
    if sampling == "under":
        rows = torch.cat(drawn)
        return rows[torch.randperm(len(rows), generator=generator)]
    return torch.stack(drawn, 1).flatten()  # one of each group in turn, so any run of rows is balanced


def tune(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    groups: Tensor,
    settings: TuneSettings,
    seed: int,
    masks: Mapping[str, Tensor] | None = None,
) -> int:
    """Train `net` in place on images x (N,C,H,W), labels y (N,), groups (N,); the number of steps taken.

    `masks`: parameters by name of which only the true entries live. Ends in evaluation mode. StageError when
    a group is empty or the loss is not finite.
    """
    counts = torch.bincount(groups)
    if int(counts.min()) < 1:
        raise StageError(f"tuning: group {int(counts.argmin())} has no image; lower the ratio of group sizes")
    weights = group_weights(counts, settings.weighting)[groups].to(x.device)
    optimiser = Optimiser(
        OptimiserSettings("sgd", settings.learning_rate, settings.weight_decay),
        (p for p in net.parameters() if p.requires_grad),
    )
    held = {name: p for name, p in net.named_parameters() if masks and name in masks}
    net.train()
    steps = 0
    for epoch, batches in enumerate(_epochs(groups, settings, seed)):
        optimiser.lr = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / settings.epochs))
        for rows in batches:
            optimiser.zero_grad()
            each = F.cross_entropy(net(x[rows]), y[rows], reduction="none")
            loss = (each * weights[rows]).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            _hold(held, masks)
            steps += 1
        if not math.isfinite(float(loss.detach())):
            raise StageError(f"tuning: the loss is not finite in epoch {epoch + 1}; lower learning_rate")
    net.eval()
    return steps


@torch.no_grad()
def _hold(held: Mapping[str, nn.Parameter], masks: Mapping[str, Tensor] | None) -> None:
    for name, p in held.items():
        assert masks is not None
        p.mul_(masks[name])


def _epochs(groups: Tensor, settings: TuneSettings, seed: int) -> Iterator[list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    here = groups.cpu()
    for _ in range(settings.epochs):
        rows = epoch_rows(here, settings.sampling, settings.batch, generator).to(groups.device)
        yield list(torch.split(rows, settings.batch))
