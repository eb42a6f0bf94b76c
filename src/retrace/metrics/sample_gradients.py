"""Norms of each example's own loss gradient, for white-box attacks; many models and examples at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from retrace.training.fit import cross_entropies
from retrace.training.shadows import Shadows, Touched


def input_gradient_norms(models: Shadows, x: Tensor, y: Tensor, batch: int = 500) -> Tensor:
    """L2 norms (G,N) of the cross-entropy's gradient with respect to each input x (N,...), labels y (N,).

    In evaluation mode no example touches another, so one backward pass serves a batch of all models.
    """
    found = []
    for part, labels in zip(torch.split(x, batch), torch.split(y, batch), strict=True):
        own = part.expand(len(models), *part.shape).clone().requires_grad_(True)
        logits, _ = models.forward(own)
        losses = cross_entropies(logits, labels.expand(len(models), -1))
        (gradient,) = torch.autograd.grad(losses.sum(), own)
        found.append(gradient.flatten(2).norm(dim=2))
    return torch.cat(found, 1)


def weight_gradient_norms(models: Shadows, x: Tensor, y: Tensor, batch: int = 500) -> Tensor:
    """L2 norms (G,N) of the gradient with respect to all weights, for each example of x (N,...).

    Perceptrons need no gradient of a weight: a linear layer's squared norm is (|a|^2 + 1) |delta|^2, with
    a its input and delta the loss gradient of its output (Goodfellow, 2015). Others go through torch.func.
    """
    if models.layered:
        return torch.cat([_by_layers(models, *part) for part in _parts(x, y, batch)], 1)
    return torch.cat([_by_samples(models, *part) for part in _parts(x, y, 32)], 1)


def _parts(x: Tensor, y: Tensor, batch: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(torch.split(x, batch), torch.split(y, batch), strict=True))


def _by_layers(models: Shadows, x: Tensor, y: Tensor) -> Tensor:
    tape: list[Touched] = []
    logits, _ = models.forward(x.expand(len(models), *x.shape), tape=tape)
    losses = cross_entropies(logits, y.expand(len(models), -1))
    deltas = torch.autograd.grad(losses.sum(), [layer.outputs for layer in tape])
    squares = [
        (layer.inputs.square().sum(1) + 1) * delta.square().sum(1)
        for layer, delta in zip(tape, deltas, strict=True)
    ]
    return torch.stack(squares).sum(0).sqrt().detach()


def _by_samples(models: Shadows, x: Tensor, y: Tensor) -> Tensor:
    models.base.eval()

    def loss(params: dict[str, Tensor], buffers: dict[str, Tensor], one: Tensor, label: Tensor) -> Tensor:
        logits, _ = functional_call(models.base, (params, buffers), (one.unsqueeze(0),))
        return cross_entropies(logits, label.unsqueeze(0)).sum()

    rows = []
    for i in range(len(models)):
        params = {k: v[i].detach() for k, v in models.params.items()}
        buffers = {k: v[i] for k, v in models.buffers.items()}
        each = vmap(grad(loss), (None, None, 0, 0), randomness="different")(params, buffers, x, y)
        rows.append(torch.stack([g.flatten(1).square().sum(1) for g in each.values()]).sum(0).sqrt())
    return torch.stack(rows)
