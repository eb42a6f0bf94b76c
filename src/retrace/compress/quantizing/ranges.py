"""Ends of the grids of activations, from what a calibration set gives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from retrace.compress.quantizing.grids import round_input
from retrace.compress.quantizing.names import Ranges
from retrace.stage import StageError

TAIL = 0.001  # share of activations that the percentile rule clips, on each side that has a tail
SHRINKS = tuple(1 - 0.02 * n for n in range(45))  # of the full range, tried by the rule of least squares
TRIED = 50_000  # activations that the rule of least squares looks at


@dataclass(frozen=True)
class Range:
    """Ends of a grid."""

    low: float
    high: float


def find_range(values: Tensor, rule: Ranges, bits: int, layer: str) -> Range:
    """The range of a layer's inputs, of any shape: all, all but the tails, or the one of least squared error.

    StageError naming the layer when all values are the same, or one is not a number.
    """
    flat = values.detach().flatten()
    low, high = float(flat.min()), float(flat.max())
    if not low < high:
        said = "are not numbers" if low != low else f"are constant ({low:g})"
        raise StageError(
            f"layer {layer}: its activations on the calibration images {said}; "
            "take more or other images, or look whether the network trained"
        )
    if rule == "percentile":
        return _without_tails(flat, low, high)
    if rule == "mse":
        return _least_squares(flat, Range(low, high), bits)
    return Range(low, high)


def _without_tails(flat: Tensor, low: float, high: float) -> Range:
    tail = max(1, round(TAIL * flat.numel()))
    top = float(flat.kthvalue(flat.numel() - tail + 1).values)
    bottom = float(flat.kthvalue(tail).values) if low < 0 else low
    return Range(bottom, top) if bottom < top else Range(low, high)  # nearly all values the same


def _least_squares(flat: Tensor, full: Range, bits: int) -> Range:
    every = -(-flat.numel() // TRIED)
    some = flat[::every]
    tried = [Range(full.low * share, full.high * share) for share in SHRINKS]
    errors = [(round_input(some, r.low, r.high, bits) - some).square().sum() for r in tried]
    return tried[int(torch.stack(errors).argmin())]
