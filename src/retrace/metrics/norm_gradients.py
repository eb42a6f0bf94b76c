"""Norms of each sample's loss gradient at the input of every LayerNorm: one backward pass for all samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def norm_input_gradients(
    source: nn.Module, modules: Sequence[nn.Module], losses: Callable[[], Tensor]
) -> tuple[Tensor, Tensor]:
    """L2 norms (M,N) of d loss_n / d input_m over all tokens and channels, and the losses (N,).

    `losses` computes the N samples' losses with a forward pass: `source` (the embedding), from which all else
    comes, then the modules (M), each called once. In evaluation mode no sample touches another, so the
    gradient of the sum holds each sample's own; a mean would scale it by 1/N. ValueError when a module was
    not called, or the gradients are not finite.
    """
    inputs: dict[int, Tensor] = {}

    def begin(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output if output.requires_grad else output.detach().requires_grad_(True)

    def watch(place: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            inputs[place] = args[0]

        return hook

    hooks = [module.register_forward_pre_hook(watch(i)) for i, module in enumerate(modules)]
    hooks.append(source.register_forward_hook(begin))
    try:
        with torch.enable_grad():
            found = losses()
            if len(inputs) < len(modules):
                raise ValueError(f"only {len(inputs)} of {len(modules)} LayerNorms took part in the network")
            kept = [inputs[i] for i in range(len(modules))]
            gradients = torch.autograd.grad(found.sum(), kept)
    finally:
        for hook in hooks:
            hook.remove()
    norms = torch.stack([g.flatten(1).float().norm(dim=1) for g in gradients]).detach()
    if not torch.isfinite(norms).all():
        raise ValueError("a gradient at a LayerNorm is not finite; lower the learning rate")
    return norms, found.detach()
