"""Networks that bound engines understand: convolution, batch norm, ReLU, and two linear layers."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from retrace.nets.conv_block_names import Shape
from retrace.stage import StageError


def conv_blocks(shape: Shape, in_channels: int, size: int, classes: int, seed: int) -> nn.Sequential:
    """Convolution blocks, then a hidden linear layer with ReLU and a linear head; weights from `seed` alone.

    Input (N, in_channels, size, size) float32; output (N, classes) logits. Convolutions have no bias, since
    a batch norm follows. StageError when the images are too small for the blocks.
    """
    sides = shape.map_sizes(size)
    if min(sides) < 1:
        raise StageError(f"images of {size} pixels are too small for {len(sides)} blocks; use fewer blocks")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        widths = (in_channels, *(block[0] for block in shape.blocks))
        for (inputs, filters), (_, kernel, stride, padding) in zip(
            pairwise(widths), shape.blocks, strict=True
        ):
            layers.append(nn.Conv2d(inputs, filters, kernel, stride, padding, bias=False))
            layers += [nn.BatchNorm2d(filters), nn.ReLU()]
        head = [nn.Linear(widths[-1] * sides[-1] ** 2, shape.hidden), nn.ReLU()]
        return nn.Sequential(*layers, nn.Flatten(), *head, nn.Linear(shape.hidden, classes))


def shape_of(net: nn.Sequential) -> Shape:
    """The shape of a network that `conv_blocks` made, possibly with channels removed since."""
    convs = [m for m in net if isinstance(m, nn.Conv2d)]
    hidden = next(m for m in net if isinstance(m, nn.Linear)).out_features
    return Shape(
        tuple((c.out_channels, c.kernel_size[0], c.stride[0], int(c.padding[0])) for c in convs), hidden
    )


def interval_aware(net: nn.Sequential, seed: int) -> nn.Sequential:
    """Draw the weights anew from N(0, 2 pi / fan_in^2), which keeps interval bounds from growing.

    Shi et al., Fast Certified Robust Training with Short Warmup (NeurIPS 2021), section 3.2.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in net:
            if isinstance(module, nn.Conv2d | nn.Linear):
                fan_in = module.weight[0].numel()
                drawn = torch.randn(module.weight.shape, generator=generator)
                module.weight.copy_(drawn * (2 * torch.pi) ** 0.5 / fan_in)
                if module.bias is not None:
                    module.bias.zero_()
    return net
