"""Examples as tensors, and untrained models, as the stages with networks need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from retrace.nets.targets import Head, Target, build_target
from retrace.seeds import derive
from retrace.stage import Array, Inputs
from retrace.training.fit import Schedule
from retrace.training.halves import member_rows
from retrace.training.shadows import Shadows

if TYPE_CHECKING:
    from retrace.studies.membership.params import Network, Training


@dataclass(frozen=True)
class Setup:
    """The parts of a setting on a device: name -> x (N,...), name -> y (N,), the rows (K,n) of each model."""

    x: dict[str, Tensor]
    y: dict[str, Tensor]
    member: Array
    rows: Tensor
    classes: int
    range: tuple[float, float]  # of the values of an input

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.x["pool"].shape[1:])


def set_up(inputs: Inputs, device: str) -> Setup:
    """Images (C,H,W), each channel standardised by the reference set's; rows of bits (F,) as 0 and 1.

    The reference set belongs to no model, so that the inputs say nothing of membership.
    """
    parts = inputs["prepare"].read_scratch()
    tabular = parts["pool.x"].shape[1] == parts["pool.x"].shape[3] == 1
    pixels = {
        name: torch.from_numpy(np.ascontiguousarray(parts[f"{name}.x"].transpose(0, 3, 1, 2))).float() / 255
        for name in ("pool", "reference", "population", "test")
    }
    mean, spread = torch.zeros(1), torch.ones(1)
    if not tabular:
        known = pixels["reference"]
        mean, spread = (f(known, (0, 2, 3)).view(-1, 1, 1) for f in (torch.mean, torch.std))
        spread = spread.clamp(min=1e-3)
    x = {name: ((values - mean) / spread).to(device) for name, values in pixels.items()}
    if tabular:
        x = {name: values.flatten(1) for name, values in x.items()}
    y = {name: torch.from_numpy(np.ascontiguousarray(parts[f"{name}.y"])).to(device) for name in x}
    member = parts["member"].astype(np.bool_)
    ends = (float((-mean / spread).min()), float(((1 - mean) / spread).max()))
    rows = torch.from_numpy(member_rows(member)).to(device)
    return Setup(x, y, member, rows, inputs["prepare"].results["classes"], ends)


def untrained(
    params: Network, setup: Setup, places: range, seed: int, device: str, head: Head = nn.Linear
) -> Shadows:
    """The models at these places before any training; with the same seed always the same ones."""

    def build(number: int) -> Target:
        return build_target(params.network, setup.shape, setup.classes, number, head)

    return Shadows.initial(build, [derive(seed, "weights", n) for n in places], places, device)


def schedule(params: Training) -> Schedule:
    """Plain training as the cell asks for it."""
    return Schedule(
        params.epochs,
        params.batch,
        params.learning_rate,
        weight_decay=params.weight_decay,
        decay=params.decay,
    )
