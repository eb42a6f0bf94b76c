"""What the stages that train and measure share: images as tensors, and networks as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from retrace.nets.access import state_arrays
from retrace.nets.conv_block_names import SHAPES
from retrace.nets.conv_blocks import conv_blocks
from retrace.stage import Array, Inputs


@dataclass(frozen=True)
class Data:
    """Images (N, C, H, W) in [0, 1] and labels (N,) of each part, on a device."""

    x: dict[str, Tensor]
    y: dict[str, Tensor]
    classes: int

    @property
    def frame(self) -> tuple[int, int, int]:
        """Channels, side and classes: what a network is built for."""
        _, channels, side, _ = self.x["train"].shape
        return channels, side, self.classes


def set_up(inputs: Inputs, device: str) -> Data:
    """The images of `prepare`; pixels in [0, 1], not standardised: the first batch norm does that."""
    parts = inputs["prepare"].read_scratch()
    x, y = {}, {}
    for part in ("train", "validation", "test"):
        pixels = np.ascontiguousarray(parts[f"{part}.x"].transpose(0, 3, 1, 2))
        x[part] = (torch.from_numpy(pixels).float() / 255).to(device)
        y[part] = torch.from_numpy(np.ascontiguousarray(parts[f"{part}.y"])).to(device)
    return Data(x, y, int(inputs["prepare"].results["classes"]))


def arrays_of(net: nn.Sequential, prefix: str) -> dict[str, Array]:
    """The network's tensors as `prefix/<name>`."""
    return {f"{prefix}/{name}": values for name, values in state_arrays(net).items()}


def load_network(arrays: Mapping[str, Array], prefix: str, network: str, data: Data) -> nn.Sequential:
    """The network saved under `prefix`, as wide as its arrays say, in evaluation mode."""
    own = {name.removeprefix(f"{prefix}/"): a for name, a in arrays.items() if name.startswith(f"{prefix}/")}
    shape = SHAPES[network]
    count = len(shape.blocks)
    widths = tuple(own[f"{3 * block}.weight"].shape[0] for block in range(count))
    shape = shape.with_filters(widths, own[f"{3 * count + 1}.weight"].shape[0])
    net = conv_blocks(shape, *data.frame, seed=0)
    net.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in own.items()})
    return net.to(data.x["test"].device).eval()
