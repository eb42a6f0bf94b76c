"""Learned step sizes: grids that training stretches.

Source: Esser et al., Learned Step Size Quantization (ICLR 2020), sections 2.1 and 2.2. Our steps begin at
those of calibration, not at 2 mean|v| / sqrt(Q), and an input's level of zero stays where calibration put it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from retrace.compress.quantizing.grids import input_grid, reach, straight, weight_step
from retrace.compress.quantizing.layers import Layer, LayerBits, Rounded, replace
from retrace.compress.quantizing.ranges import Range

LEAST_STEP = 1e-6


def round_by_step(values: Tensor, step: Tensor, low: int, high: int, scale: float) -> Tensor:
    """Values on the levels `low` to `high` of `step`, whose own gradient is scaled by `scale`.

    Equation 3 of the source follows from the straight-through rounding of values / step.
    """
    step = (step * scale + (step - step * scale).detach()).clamp_min(LEAST_STEP)
    levels = (values / step).clamp(low, high)
    return straight(levels.round(), levels) * step


class LearnedSteps(Rounded):
    """A layer whose steps, of the weight and of the inputs, are parameters."""

    def __init__(self, layer: Layer, bits: LayerBits, ends: Range, per_channel: bool) -> None:
        super().__init__(layer, bits, ends, per_channel)
        if bits.weights is not None:
            self.weight_step = nn.Parameter(weight_step(layer.weight, bits.weights, per_channel))
        if bits.inputs is not None:
            step, self.zero = input_grid(ends.low, ends.high, bits.inputs)
            self.input_step = nn.Parameter(torch.full((), step, device=layer.weight.device))

    def weight(self) -> Tensor:
        """The weight on its learned grid."""
        weight = self.layer.weight
        if self.bits.weights is None:
            return weight
        most = reach(self.bits.weights)
        scale = (weight.numel() / self.weight_step.numel() * most) ** -0.5
        return round_by_step(weight, self.weight_step, -most, most, scale)

    def inputs(self, x: Tensor) -> Tensor:
        """The inputs on their learned grid."""
        if self.bits.inputs is None:
            return x
        last = 2**self.bits.inputs - 1
        scale = float(x[0].numel() * last) ** -0.5
        return round_by_step(x, self.input_step, -self.zero, last - self.zero, scale)


def learn_steps(net: nn.Module) -> None:
    """Let every rounding layer of `net`, in place, learn its steps from now on."""
    for name, module in list(net.named_modules()):
        if type(module) is Rounded:
            replace(net, name, LearnedSteps(module.layer, module.bits, module.ends, module.per_channel))
