"""Target networks of membership attacks: a body that gives the representation, and a head on top of it."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from retrace.nets.access import head, head_name
from retrace.nets.registry import build
from retrace.nets.target_names import check_target, perceptron
from retrace.nets.vision import set_in_channels

Head = Callable[[int, int], nn.Module]


class Target(nn.Module):
    """Logits and penultimate representation in one pass.

    Images (B,C,H,W) or rows (B,F) to ((B,classes), (B,D)). The head is a linear layer, whose input is the
    representation, or a module that returns logits and the representation it made.
    """

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and representation."""
        features = self.body(x)
        if isinstance(self.head, nn.Linear):
            return self.head(features), features
        logits, features = self.head(features)
        return logits, features


def build_target(
    name: str, shape: tuple[int, ...], classes: int, seed: int, new_head: Head = nn.Linear
) -> Target:
    """The network `name` for inputs of `shape` (C,H,W) or (F,), weights drawn from `seed` alone.

    `new_head(features, classes)` makes the head. Leaves the global random state as it was.
    ValueError when no network has that name, StageError when the shape does not suit it.
    """
    known = perceptron(check_target(name))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if known:
            body, width = _perceptron(*known, prod(shape))
            return Target(body, new_head(width, classes))
        net = (
            _LARGE[name](shape[0], classes)
            if name in _LARGE
            else build(name, shape[0], shape[1], classes, seed)
        )
        last, width = head_name(net), head(net).in_features
        torch.manual_seed(seed + 1)
        fresh = new_head(width, classes)
    owner, _, attribute = last.rpartition(".")
    setattr(net.get_submodule(owner), attribute, nn.Identity())
    return Target(net, fresh)


def _perceptron(activation: str, hidden: tuple[int, ...], inputs: int) -> tuple[nn.Module, int]:
    layers: list[nn.Module] = [nn.Flatten()]
    for outputs in hidden:
        layers += [nn.Linear(inputs, outputs), nn.ReLU() if activation == "relu" else nn.Tanh()]
        inputs = outputs
    return nn.Sequential(*layers), inputs


def _vgg11_bn(in_channels: int, classes: int) -> nn.Module:
    """VGG-11 with batch norm, for 32x32 images, with one hidden layer of 512 before the head."""
    from torchvision.models.vgg import cfgs, make_layers

    body = make_layers(cfgs["A"], batch_norm=True)
    set_in_channels(body, "0", in_channels)
    tail = [nn.Linear(512, 512), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(512, classes)]
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *tail)


def _mobilenet_v3(in_channels: int, classes: int) -> nn.Module:
    """MobileNetV3-small of width 1, its first convolution at stride 1 for small images."""
    from torchvision.models import mobilenet_v3_small

    net: Any = mobilenet_v3_small(num_classes=classes)
    net.features[0][0].stride = (1, 1)
    set_in_channels(net.features[0], "0", in_channels)
    net.features[0][0].stride = (1, 1)
    made: nn.Module = net
    return made


_LARGE: dict[str, Callable[[int, int], nn.Module]] = {"vgg11_bn": _vgg11_bn, "mobilenet_v3": _mobilenet_v3}
