"""The data and networks of a cell, and their roundings, as the stages with networks need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from retrace.compress.calibrating import Choice, calibration_rows
from retrace.compress.quantizing.layers import LayerBits, folded, layer_inputs, layers
from retrace.compress.quantizing.names import Ranges
from retrace.compress.quantizing.ranges import Range, find_range
from retrace.nets.registry import build
from retrace.nets.thin import thin_cnn
from retrace.seeds import derive, generator
from retrace.stage import Array, Inputs
from retrace.training.batches import to_tensor

if TYPE_CHECKING:
    from retrace.studies.quantization.params import Train

UNUSED = 8  # bits that stand for a range's grid where inputs are not rounded


@dataclass(frozen=True)
class Data:
    """Images x (N,C,H,W), labels y and groups g (N,) of train, test and more, on a device."""

    x: dict[str, Tensor]
    y: dict[str, Tensor]
    g: dict[str, Array]
    shuffled: Array
    classes: int
    count: int  # groups
    apart: bool  # groups are not made of labels


def set_up(inputs: Inputs, device: str) -> Data:
    """What the stage prepare left, as tensors."""
    parts, about = inputs["prepare"].read_scratch(), inputs["prepare"].results
    names = ("train", "test", "more")
    x = {name: to_tensor(parts[f"{name}.x"], device) for name in names}
    y = {name: torch.from_numpy(np.ascontiguousarray(parts[f"{name}.y"])).to(device) for name in names}
    g = {name: parts[f"{name}.g"] for name in names}
    return Data(x, y, g, parts["shuffled"], about["classes"], len(about["groups"]), about["apart"])


def untrained(params: Train, which: str, data: Data, seed: int) -> nn.Module:
    """The network `full`, `enlarged` (the same weights) or `smaller`, before training."""
    shape = data.x["train"].shape
    own = derive(seed, "quantization", "weights", "smaller" if which == "smaller" else "full")
    name = params.smaller if which == "smaller" else params.network
    if name == "thin-cnn":
        return thin_cnn(shape[1], shape[2], data.classes, params.thin, own)
    return build(name, shape[1], shape[2], data.classes, own)


def restored(params: Train, which: str, inputs: Inputs, data: Data, device: str) -> nn.Module:
    """A trained network with its batch norms folded."""
    net = untrained(params, which, data, 0)
    prefix, weights = f"{which}/", inputs["train"].read_scratch()
    net.load_state_dict(
        {n.removeprefix(prefix): torch.from_numpy(v) for n, v in weights.items() if n.startswith(prefix)}
    )
    return folded(net).to(device)


@dataclass(frozen=True)
class Calibration:
    """Calibration images, and what each layer of a network gets to see of them."""

    images: Tensor
    seen: dict[str, Tensor]

    def ranges(self, rule: Ranges, bits: dict[str, LayerBits]) -> dict[str, Range]:
        """Ends of each layer's grid."""
        return {n: find_range(self.seen[n], rule, b.inputs or UNUSED, n) for n, b in bits.items()}


def calibration(net: nn.Module, data: Data, count: int, choice: Choice, seed: int) -> Calibration:
    """A calibration set of training images for a network."""
    rng = generator(seed, "quantization", "calibration", choice)
    rows = torch.from_numpy(calibration_rows(data.g["train"], count, choice, rng))
    images = data.x["train"][rows.to(data.x["train"].device)]
    return Calibration(images, layer_inputs(net, images))


def uniform(
    net: nn.Module, weights: int | None, inputs: int | None, ends: int | None = None
) -> dict[str, LayerBits]:
    """The same bits for every layer, but for `ends`, those of the first and the last."""
    names = list(layers(net))
    bits = {name: LayerBits(weights, inputs) for name in names}
    if ends is not None:
        own = LayerBits(ends if weights else None, ends if inputs else None)
        bits |= {names[0]: own, names[-1]: own}
    return bits
