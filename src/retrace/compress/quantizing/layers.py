"""Networks whose convolutions and linear layers compute with rounded weights and inputs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retrace.compress.quantizing.grids import round_input, round_weight
from retrace.compress.quantizing.ranges import Range
from retrace.training.evaluate import foldable

Layer = nn.Conv2d | nn.Linear


@dataclass(frozen=True)
class LayerBits:
    """Bits of a layer's weights and of its inputs; None: left as they are."""

    weights: int | None
    inputs: int | None


def layers(net: nn.Module) -> dict[str, Layer]:
    """The convolutions and linear layers by name, in the order of the network."""
    return {name: m for name, m in net.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


def folded(net: nn.Module) -> nn.Module:
    """A copy in evaluation mode with each batch norm folded into the convolution that it alone reads.

    Its outputs are those of `net` in evaluation mode, up to rounding.
    """
    twin = copy.deepcopy(net).eval()
    for conv_name, norm_name in foldable(net):
        conv, norm = twin.get_submodule(conv_name), twin.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        with torch.no_grad():
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            shift = norm.running_mean if conv.bias is None else norm.running_mean - conv.bias
            conv.bias = nn.Parameter(norm.bias - shift * scale)
            conv.weight.mul_(scale.view(-1, 1, 1, 1))
        replace(twin, norm_name, nn.Identity())
    return twin


def replace(net: nn.Module, name: str, module: nn.Module) -> None:
    """Put `module` in the place of the submodule `name`."""
    owner, _, attribute = name.rpartition(".")
    setattr(net.get_submodule(owner), attribute, module)


def apply_layer(layer: Layer, x: Tensor, weight: Tensor) -> Tensor:
    """What the layer makes of x with another weight of the same shape."""
    if isinstance(layer, nn.Conv2d):
        return layer._conv_forward(x, weight, layer.bias)  # type: ignore[no-untyped-call, no-any-return]
    return F.linear(x, weight, layer.bias)


class Rounded(nn.Module):
    """A layer that rounds its weight and its inputs at every pass, with straight-through gradients."""

    def __init__(self, layer: Layer, bits: LayerBits, ends: Range, per_channel: bool) -> None:
        super().__init__()
        self.layer, self.bits, self.ends, self.per_channel = layer, bits, ends, per_channel

    def weight(self) -> Tensor:
        """The weight that the layer computes with."""
        if self.bits.weights is None:
            return self.layer.weight
        return round_weight(self.layer.weight, self.bits.weights, self.per_channel)

    def inputs(self, x: Tensor) -> Tensor:
        """The inputs that the layer computes with."""
        return x if self.bits.inputs is None else round_input(x, *self._ends(), self.bits.inputs)

    def forward(self, x: Tensor) -> Tensor:
        """As the layer, on rounded inputs with a rounded weight."""
        return apply_layer(self.layer, self.inputs(x), self.weight())

    def _ends(self) -> tuple[float, float]:
        return self.ends.low, self.ends.high


class Noisy(Rounded):
    """A layer whose errors have the norm that rounding has (of each input, of the weight), at random."""

    def __init__(
        self, layer: Layer, bits: LayerBits, ends: Range, per_channel: bool, generator: torch.Generator
    ) -> None:
        super().__init__(layer, bits, ends, per_channel)
        self.generator = generator
        self.shift = self._noise((super().weight() - layer.weight).detach()[None])[0]

    def weight(self) -> Tensor:
        """The weight, moved once."""
        return self.layer.weight + self.shift

    def inputs(self, x: Tensor) -> Tensor:
        """The inputs, moved anew at every pass."""
        return x + self._noise((super().inputs(x) - x).detach())

    def _noise(self, error: Tensor) -> Tensor:
        drawn = torch.randn(error.shape, generator=self.generator).to(error.device)
        axes = tuple(range(1, error.dim()))
        size: Tensor = torch.linalg.vector_norm(error, dim=axes, keepdim=True)
        length: Tensor = torch.linalg.vector_norm(drawn, dim=axes, keepdim=True)
        return drawn * (size / length)


def quantized(
    net: nn.Module,
    bits: Mapping[str, LayerBits],
    ranges: Mapping[str, Range],
    per_channel: bool = True,
    noise: torch.Generator | None = None,
) -> nn.Module:
    """A copy of a (folded) network whose layers round as `bits` says by name, inputs within `ranges`.

    With `noise` errors are drawn instead, of the same norms. Layers that are not named, or have no bits,
    stay as they are.
    """
    twin = copy.deepcopy(net).eval()
    for name, layer in layers(twin).items():
        if name in bits and bits[name] != LayerBits(None, None):
            given = (layer, bits[name], ranges[name], per_channel)
            replace(twin, name, Rounded(*given) if noise is None else Noisy(*given, noise))
    return twin


@torch.no_grad()
def layer_inputs(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """What each layer gets to see of the images x (N,C,H,W), by name."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> object:
        def hook(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            seen[name] = given[0].detach().clone()

        return hook

    hooks = [layer.register_forward_pre_hook(keep(name)) for name, layer in layers(net).items()]  # type: ignore[arg-type]
    try:
        net(x)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def layer_weights(net: nn.Module) -> dict[str, Tensor]:
    """The weights that a network's layers compute with, by name, whether it rounds or not."""
    found = {}
    for name, module in net.named_modules():
        if isinstance(module, Rounded):
            found[name] = module.weight().detach()
        elif isinstance(module, nn.Conv2d | nn.Linear) and not name.endswith(".layer"):
            found[name] = module.weight.detach()
    return found
