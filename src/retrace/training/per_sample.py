"""Sums of clipped per-sample gradients, the step of DP-SGD, for G models at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from retrace.training.fit import cross_entropies
from retrace.training.shadows import Shadows, Tensors, Touched


def clipped_sums(models: Shadows, x: Tensor, y: Tensor, weights: Tensor, clip: float) -> Tensors:
    """Sum over each model's batch of gradients clipped to L2 norm `clip`, name -> (G,...).

    `x` (G,B,...), `y` (G,B); `weights` (G,B) of 0 and 1 leave padding out. Perceptrons never hold a
    gradient for each sample: norms come from inputs and output gradients of the layers (ghost clipping, Li
    et al., ICLR 2022). Source: Abadi et al. (CCS 2016), algorithm 1.
    """
    if models.layered:
        return _by_layers(models, x, y, weights, clip)
    return _by_samples(models, x, y, weights, clip)


def _factor(norms: Tensor, weights: Tensor, clip: float) -> Tensor:
    return weights * (clip / norms.clamp(min=1e-12)).clamp(max=1.0)


def _by_layers(models: Shadows, x: Tensor, y: Tensor, weights: Tensor, clip: float) -> Tensors:
    tape: list[Touched] = []
    logits, _ = models.forward(x, train=True, tape=tape)
    losses = cross_entropies(logits, y)
    deltas = torch.autograd.grad(losses.sum(), [layer.outputs for layer in tape])
    sums: Tensors = {}
    with torch.no_grad():
        pairs = list(zip(tape, deltas, strict=True))
        squares = [(one.inputs.square().sum(1) + 1) * d.square().sum(1) for one, d in pairs]
        factor = _factor(torch.stack(squares).sum(0).sqrt(), weights, clip).unsqueeze(1)
        for one, delta in pairs:
            scaled = delta * factor
            sums[f"{one.name}.weight"] = scaled @ one.inputs.transpose(1, 2)
            sums[f"{one.name}.bias"] = scaled.sum(2)
    return sums


def _by_samples(models: Shadows, x: Tensor, y: Tensor, weights: Tensor, clip: float) -> Tensors:
    models.base.train(True)

    def loss(params: Tensors, buffers: Tensors, one: Tensor, label: Tensor) -> Tensor:
        logits, _ = functional_call(models.base, (params, buffers), (one.unsqueeze(0),))
        return cross_entropies(logits, label.unsqueeze(0)).sum()

    rows: list[Tensors] = []
    for i in range(len(models)):
        params = {k: v[i].detach() for k, v in models.params.items()}
        buffers = {k: v[i] for k, v in models.buffers.items()}
        each = vmap(grad(loss), (None, None, 0, 0), randomness="different")(params, buffers, x[i], y[i])
        norms = torch.stack([g.flatten(1).square().sum(1) for g in each.values()]).sum(0).sqrt()
        factor = _factor(norms, weights[i], clip)
        rows.append({name: torch.tensordot(factor, g, 1) for name, g in each.items()})
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
