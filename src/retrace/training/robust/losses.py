"""The losses of the three ways to train: standard, FGSM with GradAlign, interval bounds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retrace.training.robust.crown import fused_loss
from retrace.training.robust.intervals import margins, propagate
from retrace.training.robust.layers import Layers, Part
from retrace.training.robust.settings import RobustSettings
from retrace.training.robust.stability import stability_loss

STEP = 1.25  # of the radius, FGSM's step in CertifiedPruning's configurations


@dataclass(frozen=True)
class Example:
    """Images (N, C, H, W) in [0, 1], labels (N,), the radius now, and where random draws come from."""

    x: Tensor
    y: Tensor
    epsilon: float
    generator: torch.Generator


def robust_loss(layers: Layers, batch: Example, settings: RobustSettings) -> Tensor:
    """The training loss of `settings.mode` with its penalties; the first pass is the one on clean images."""
    if settings.mode == "certified":
        loss = _certified(layers, batch, settings)
    elif settings.mode == "adversarial" and batch.epsilon > 0:
        loss = _adversarial(layers, batch, settings)
    else:
        loss = F.cross_entropy(layers.forward(batch.x), batch.y)
    if settings.stability != "none" and settings.mode != "certified":
        # the published code bounds at the full radius with the running statistics
        still = Layers(layers.net, layers.weights)
        interval = propagate(still, _part(batch.x, settings), settings.epsilon)
        penalty = stability_loss(still, interval.relus, settings.stability == "nrs", "neurons")
        loss = loss + settings.stability_weight * penalty
    if settings.sparsity:
        scales = [m.weight.abs() for m in layers.net if isinstance(m, nn.BatchNorm2d)]
        loss = loss + settings.sparsity * torch.cat(scales).mean()
    return loss


def _part(x: Tensor, settings: RobustSettings) -> Tensor:
    """The first images of a shuffled batch, on which a penalty is estimated."""
    return x[: max(1, round(settings.penalty_share * len(x)))]


def _certified(layers: Layers, batch: Example, settings: RobustSettings) -> Tensor:
    """Upper bound of the cross-entropy over the ball; the clean one while the radius is 0.

    With `crown` the bounds are k CROWN-IBP + (1 - k) IBP, k falling from 1 to 0 as the radius rises.
    """
    clean = layers.forward(batch.x)
    if batch.epsilon == 0:
        return F.cross_entropy(clean, batch.y)
    interval = propagate(layers, batch.x, batch.epsilon)
    share = 1 - batch.epsilon / settings.epsilon
    if settings.crown and share > 0:
        loss = fused_loss(layers, interval, batch.x, batch.y, batch.epsilon, share)
    else:
        loss = F.cross_entropy(-margins(layers, interval, batch.y), batch.y)
    if settings.stability != "none":
        relus = [b for b in interval.relus if b.norm is not None]
        penalty = stability_loss(layers, relus, settings.stability == "nrs", "channels")
        loss = loss + settings.stability_weight * penalty
    return loss


def _adversarial(layers: Layers, batch: Example, settings: RobustSettings) -> Tensor:
    """FGSM's cross-entropy plus GradAlign (Andriushchenko and Flammarion, NeurIPS 2020, equation 4).

    Gradients with respect to images are those of the network with running statistics: an image's gradient
    then does not depend on its batch, and norms fold into the convolutions.
    """
    first = input_gradient(layers, _point(batch.x, batch.x, settings), batch.y, differentiable=False)
    adversarial = fgsm(batch.x, first, batch.epsilon)
    loss = F.cross_entropy(layers.forward(adversarial), batch.y)
    if not settings.alignment:
        return loss
    some = _part(batch.x, settings)
    noisy = some + batch.epsilon * (torch.rand(some.shape, generator=batch.generator).to(some) * 2 - 1)
    # with respect to the noise, which is cut to [0, 1]: nothing comes back from a pixel beyond
    inside = (noisy >= 0) & (noisy <= 1)
    point = _point(some, noisy.clamp(0, 1), settings)
    second = input_gradient(layers, point, batch.y[: len(some)], differentiable=True) * inside
    cosine = F.cosine_similarity(first[: len(some)].flatten(1), second.flatten(1), dim=1)
    return loss + settings.alignment * (1 - cosine.mean())


def _point(x: Tensor, moved: Tensor, settings: RobustSettings) -> Tensor:
    """Where the gradient is taken of images `x` that noise has `moved`.

    The published code's helper returns the moved image, which the caller adds to the image again, both
    standardised: in pixels that is x + moved - mean.
    """
    if settings.gradient_point == "image":
        return moved
    mean = torch.tensor(settings.pixel_mean or [0.0], dtype=x.dtype, device=x.device)
    return x + moved - mean.view(-1, 1, 1)


def fgsm(x: Tensor, gradient: Tensor, epsilon: float) -> Tensor:
    """Images one signed step away, within the ball of radius `epsilon` and within [0, 1]."""
    step = (STEP * epsilon * gradient.sign()).clamp(-epsilon, epsilon)
    return (x + step).clamp(0, 1).detach()


def input_gradient(layers: Layers, point: Tensor, y: Tensor, differentiable: bool) -> Tensor:
    """Gradient of the summed cross-entropy with respect to images, running statistics; shape of `point`.

    Stops at what the first layer gives; the way back through that layer is written out, since a convolution's
    gradient with respect to one to three channels is slow on a CPU.
    """
    first, *rest = Layers(layers.net, layers.weights).folded()
    with torch.set_grad_enabled(differentiable):
        value = first(point)
    if not value.requires_grad:
        value.requires_grad_(True)
    logits = value
    for part in rest:
        logits = part(logits)
    loss = F.cross_entropy(logits, y, reduction="sum")
    (slope,) = torch.autograd.grad(loss, value, create_graph=differentiable)
    return pulled_back(first, slope, point)


def pulled_back(first: Part, slope: Tensor, point: Tensor) -> Tensor:
    """A gradient with respect to the layer's output as one with respect to its input, shaped as `point`."""
    if not isinstance(first.module, nn.Conv2d):
        flat = slope @ first.weight if isinstance(first.module, nn.Linear) else slope
        return flat.reshape(point.shape)
    columns = slope.permute(0, 2, 3, 1).flatten(1, 2) @ first.weight.flatten(1)
    size, module = (int(point.shape[2]), int(point.shape[3])), first.module
    padding = (int(module.padding[0]), int(module.padding[1]))
    kernel = (module.kernel_size[0], module.kernel_size[1])
    return F.fold(columns.transpose(1, 2), size, kernel, padding=padding, stride=module.stride)
