"""HYDRA: learn which weights to keep under the robust loss itself (Sehwag et al., NeurIPS 2020)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from retrace.compress.pruning.masks import Masks, prunable, refuse_empty
from retrace.compress.pruning.names import check_share
from retrace.stage import StageError
from retrace.training.optim import Optimiser, OptimiserSettings

Loss = Callable[[dict[str, Tensor], Any], Tensor]  # (weights in place of the network's, a batch) -> loss
DROPS = (0.5, 0.75)  # of the epochs, after which the rate is a tenth


class _Top(torch.autograd.Function):
    """One where a value is among the k largest, else zero; the gradient passes as if it were the value."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, k: int) -> Tensor:
        chosen = torch.zeros_like(values).flatten()
        chosen[values.flatten().topk(k).indices] = 1.0
        return chosen.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[0], None


def initial_scores(weights: dict[str, Tensor]) -> dict[str, nn.Parameter]:
    """sqrt(6 / fan_in) w / max|w| of each layer (section 3.2 of the HYDRA paper)."""
    scores = {}
    for name, w in weights.items():
        gain = (6 / w[0].numel()) ** 0.5
        scores[name] = nn.Parameter(gain * w / w.abs().max().clamp(min=1e-12))
    return scores


def hydra(
    net: nn.Sequential,
    loss: Loss,
    epochs: Iterable[list[Any]],
    count: int,
    masks: Masks,
    share: float,
    rate: float,
) -> Masks:
    """Learn scores for `count` epochs of batches with the weights frozen; keep that share of each layer.

    `loss(weights, batch)` computes with the masked weights in place of the network's. What `masks` prunes
    stays pruned. StageError when a loss is not finite, LayerLostError when a layer would lose all weights.
    """
    check_share(share)
    weights = {name: w * masks[name] for name, w in prunable(net).items()}
    keep = {name: round(share * w.numel()) for name, w in weights.items()}
    refuse_empty(keep, share)
    scores = initial_scores(weights)
    optimiser = Optimiser(OptimiserSettings("adam", rate, 0.0), scores.values())
    for epoch, batches in zip(range(count), epochs, strict=False):
        optimiser.lr = rate * 0.1 ** sum(epoch >= part * count for part in DROPS)
        for batch in batches:
            optimiser.zero_grad()
            chosen = {name: weights[name] * _pick(scores[name], keep[name]) for name in weights}
            value = loss(chosen, batch)
            if not torch.isfinite(value):
                raise StageError(
                    f"hydra: loss is {float(value.detach())} in epoch {epoch + 1}; lower the rate of scores"
                )
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    with torch.no_grad():
        return {n: _pick(scores[n].masked_fill(~masks[n], 0.0), keep[n]).bool() & masks[n] for n in weights}


def _pick(scores: Tensor, k: int) -> Tensor:
    made: Tensor = _Top.apply(scores.abs(), k)  # type: ignore[no-untyped-call]
    return made
