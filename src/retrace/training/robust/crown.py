"""CROWN-IBP: bounded backwards, with interval bounds inside (Zhang et al., ICLR 2020), and its loss."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from retrace.training.robust.intervals import Interval, margin_rows
from retrace.training.robust.layers import Layers


def fused_loss(
    layers: Layers, interval: Interval, x: Tensor, y: Tensor, epsilon: float, share: float
) -> Tensor:
    """Upper bound of the mean cross-entropy over the balls around `x`, bounded as one output; differentiable.

    Of the sum of exp(z_i - z_y), `share` is CROWN-IBP's bound and the rest the intervals'. Loss fusion (Xu et
    al., NeurIPS 2020, arXiv 2002.12920, section 3.2): above each exponential lies the chord between its
    interval's ends, so one row is carried back instead of one a class. Scaled by the largest end.
    """
    rows, constants = margin_rows(layers, y)
    centre = torch.einsum("ncf,nf->nc", rows, interval.centre) + constants
    radius = torch.einsum("ncf,nf->nc", rows.abs(), interval.radius)
    low, high = -centre - radius, -centre + radius  # of z_i - z_y
    top = high.amax(1, keepdim=True).detach()
    least, most = (low - top).exp(), (high - top).exp()
    slope = (most - least) / (high - low).clamp(min=1e-8)
    row, constant = torch.einsum("nc,ncf->nf", slope, rows), (slope * constants).sum(1, keepdim=True)
    lower = crown_lower(layers, interval, (row.unsqueeze(1), constant), x, epsilon)
    tight = (least - slope * low).sum(1) - lower.squeeze(1)
    return ((share * tight + (1 - share) * most.sum(1)).log() + top.squeeze(1)).mean()


def crown_lower(
    layers: Layers, interval: Interval, functions: tuple[Tensor, Tensor], x: Tensor, epsilon: float
) -> Tensor:
    """Lower bounds (N, S) over the ball around `x`, cut to [0, 1], of linear functions; differentiable.

    `functions` are rows (N, S, F) over what the last layer reads, and constants (N, S). The lower line of an
    unstable ReLU has slope 1 where the upper bound is the larger one, else 0.
    """
    rows, total = functions
    bounds = {b.place: b for b in interval.relus}
    shapes = _input_shapes(layers, x)
    for part in reversed(layers.folded()[:-1]):
        if isinstance(part.module, nn.ReLU):
            b = bounds[part.place]
            rows, constant = _through_relu(rows, b.lower, b.upper)
            total = total + constant
        elif isinstance(part.module, nn.Linear):
            if part.bias is not None:
                total = total + rows @ part.bias
            rows = rows @ part.weight
        elif isinstance(part.module, nn.Conv2d):
            if part.bias is not None:
                total = total + rows.flatten(3).sum(3) @ part.bias
            rows = _through_conv(rows, part.module, part.weight, shapes[part.place])
        else:
            shape = shapes[part.place]
            if part.channels:
                rows = rows.reshape(*rows.shape[:2], -1, part.channels).transpose(2, 3)
            rows = rows.reshape(*rows.shape[:2], *shape)
    low, high = (x - epsilon).clamp(0, 1), (x + epsilon).clamp(0, 1)  # (N, *shape) each
    centre, radius = ((high + low) / 2).unsqueeze(1), ((high - low) / 2).unsqueeze(1)
    return total + (rows * centre - rows.abs() * radius).flatten(2).sum(2)


def _input_shapes(layers: Layers, x: Tensor) -> list[tuple[int, ...]]:
    """Shape of what each layer reads, one example."""
    shapes, shape = [], tuple(x.shape[1:])
    for module in layers.net:
        shapes.append(shape)
        if isinstance(module, nn.Flatten):
            shape = (prod(shape),)
        elif isinstance(module, nn.Linear):
            shape = (module.out_features,)
        elif isinstance(module, nn.Conv2d):
            (kernel, stride, padding) = (module.kernel_size[0], module.stride[0], int(module.padding[0]))
            sides = ((side + 2 * padding - kernel) // stride + 1 for side in shape[1:])
            shape = (module.out_channels, *sides)
    return shapes


def _through_relu(rows: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    low, high = lower.clamp(max=0), upper.clamp(min=0)
    above = high / (high - low).clamp(min=1e-12)  # (N, *shape)
    below = (high > -low).to(low.dtype)
    positive, negative = rows.clamp(min=0), rows.clamp(max=0)
    intercept = (-above * low).unsqueeze(1)
    constant = (negative * intercept).flatten(2).sum(2)  # (N, S)
    return positive * below.unsqueeze(1) + negative * above.unsqueeze(1), constant


def _through_conv(rows: Tensor, module: nn.Conv2d, weight: Tensor, shape: tuple[int, ...]) -> Tensor:
    flat = rows.flatten(0, 1)
    size = (len(flat), *shape)
    window = (module.stride, module.padding, module.dilation, module.groups)
    back = conv2d_input(size, weight, flat, *window)  # type: ignore[no-untyped-call]
    made: Tensor = back.view(*rows.shape[:2], *shape)
    return made
