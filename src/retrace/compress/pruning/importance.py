"""Scores of convolution weights: the lower, the sooner a weight is pruned."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from retrace.compress.pruning.masks import prunable

Loss = Callable[[nn.Sequential], Tensor]
Scores = dict[str, Tensor]


def magnitude(net: nn.Sequential) -> Scores:
    """|w| (iterative magnitude pruning, Frankle and Carbin, ICLR 2019)."""
    return {name: weight.abs() for name, weight in prunable(net).items()}


def drawn(like: Mapping[str, Tensor], seed: int) -> Scores:
    """Scores of these shapes drawn at random: the control."""
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.rand(w.shape, generator=generator).to(w.device) for n, w in like.items()}


def sensitivity(net: nn.Sequential, loss: Loss) -> Scores:
    """|dL/dm| at a mask m of ones, which is |w dL/dw| (SNIP, Lee et al., ICLR 2019)."""
    return {name: (w * g).abs() for name, (w, g) in _gradients(net, loss).items()}


def taylor(net: nn.Sequential, loss: Loss) -> Scores:
    """(w dL/dw)^2 (Molchanov et al., CVPR 2019); the order of |w dL/dw|, as CertifiedPruning has it."""
    return {name: (w * g).square() for name, (w, g) in _gradients(net, loss).items()}


def _gradients(net: nn.Sequential, loss: Loss) -> dict[str, tuple[Tensor, Tensor]]:
    named = dict(net.named_parameters())
    names = list(prunable(net))
    found = torch.autograd.grad(loss(net), [named[name] for name in names])
    return {name: (named[name].detach(), g) for name, g in zip(names, found, strict=True)}
