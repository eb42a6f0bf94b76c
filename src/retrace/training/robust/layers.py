"""A sequential network as a list of layers whose weights can be replaced, for clean and interval passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retrace.stage import StageError


@dataclass
class Layers:
    """The modules of a sequential network, with `weights` (name such as "0.weight" -> tensor) in their place.

    `batch` says whether batch norms use the statistics of the batch at hand; the running ones then follow.
    With `track` as well, `moments` holds each norm's mean and standard deviation of the last pass, and bounds
    are those of a network with these moments.
    """

    net: nn.Sequential
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    batch: bool = False
    track: bool = False
    moments: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def weight(self, place: int) -> Tensor:
        """The weight that the layer at this place computes with."""
        module = self.net[place]
        assert isinstance(module.weight, Tensor)
        weight = self.weights.get(f"{place}.weight", module.weight)
        channels = self.channels(place - 1)
        if channels:
            weight = weight.view(len(weight), channels, -1).transpose(1, 2).flatten(1)
        return weight

    def channels(self, place: int) -> int:
        """Channels of the maps that the layer at this place flattens, 0 if it is no such layer.

        Maps are channels-last in memory, so flattening keeps that order and the linear layer's columns move.
        """
        if place < 0 or not isinstance(self.net[place], nn.Flatten):
            return 0
        return next((m.out_channels for m in list(self.net)[place::-1] if isinstance(m, nn.Conv2d)), 0)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of images (N, C, H, W); with `batch`, running statistics move."""
        if not self.batch:
            return self.still(x)
        for place, module in enumerate(self.net):
            if isinstance(module, nn.BatchNorm2d):
                if self.track:
                    # twice as fast as torch.var_mean over these axes
                    mean = x.mean((0, 2, 3))
                    var = (x - mean.view(-1, 1, 1)).square().mean((0, 2, 3))
                    self.moments[place] = mean, (var + module.eps).sqrt()
                running, rate = (module.running_mean, module.running_var), module.momentum or 0.1
                x = F.batch_norm(x, *running, module.weight, module.bias, True, rate, module.eps)
            elif isinstance(module, nn.Conv2d | nn.Linear):
                x = affine(module, x, self.weight(place), module.bias)
            else:
                x = Part(place, _known(place, module), channels=self.channels(place))(x)
        return x

    def still(self, x: Tensor) -> Tensor:
        """Logits with the norms folded into the layers before them."""
        for part in self.folded():
            x = part(x)
        return x

    def folded(self) -> list[Part]:
        """The layers with norms folded in: of the moments of the last pass, or of the running statistics."""
        parts: list[Part] = []
        for place, module in enumerate(self.net):
            if isinstance(module, nn.BatchNorm2d):
                before = parts[-1]
                assert isinstance(before.module, nn.Conv2d)
                scale, shift = self.scale_shift(place)
                weight = before.weight * scale.view(-1, 1, 1, 1)
                bias = shift if before.bias is None else shift + before.bias * scale
                parts[-1] = Part(before.place, before.module, weight, bias, place)
            elif isinstance(module, nn.Conv2d | nn.Linear):
                parts.append(Part(place, module, self.weight(place), module.bias))
            else:
                parts.append(Part(place, _known(place, module), channels=self.channels(place)))
        return parts

    def scale_shift(self, place: int) -> tuple[Tensor, Tensor]:
        """Scale and shift (C,) to which the norm at this place comes."""
        module = self.net[place]
        assert isinstance(module, nn.BatchNorm2d)
        if self.track:
            mean, spread = self.moments[place]
        else:
            assert module.running_mean is not None
            assert module.running_var is not None
            mean, spread = module.running_mean, (module.running_var + module.eps).sqrt()
        scale = module.weight / spread
        return scale, module.bias - mean * scale


@dataclass(frozen=True)
class Part:
    """A layer as a bound computation sees it: a product with weight and bias, or a module without either.

    `norm` is the place of the batch norm that was folded in, if any; `channels` see `Layers.channels`.
    """

    place: int
    module: nn.Module
    weight: Tensor = field(default_factory=lambda: torch.empty(0))
    bias: Tensor | None = None
    norm: int | None = None
    channels: int = 0

    def __call__(self, x: Tensor) -> Tensor:
        """The layer's output."""
        if isinstance(self.module, nn.Conv2d | nn.Linear):
            return affine(self.module, x, self.weight, self.bias)
        if self.channels:
            return x.permute(0, 2, 3, 1).flatten(1)
        made: Tensor = self.module(x)
        return made


def _known(place: int, module: nn.Module) -> nn.Module:
    if isinstance(module, nn.ReLU | nn.Flatten):
        return module
    raise StageError(
        f"layer {place}: {type(module).__name__} is unknown to robust training; "
        "use Conv2d, BatchNorm2d (after a Conv2d), Linear, ReLU and Flatten"
    )


def affine(module: nn.Conv2d | nn.Linear, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A layer's product with another weight and bias; x (N, ...)."""
    if isinstance(module, nn.Linear):
        return F.linear(x, weight, bias)
    padding = (int(module.padding[0]), int(module.padding[1]))
    return F.conv2d(x, weight, bias, module.stride, padding, module.dilation, module.groups)
