"""ARM on full activation maps: ranges and histograms streamed batch by batch, never stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from retrace.metrics.activations import forward
from retrace.metrics.reuse.arm import Range
from retrace.metrics.reuse.histograms import Floats

Ranges = dict[str, Range]


def map_ranges(net: nn.Module, images: Tensor, layer: str, kept: Collection[str]) -> Ranges:
    """Return each kept layer's smallest and largest activation per filter, (C,) each, over all positions."""
    found: Ranges = {}

    def on_layer(name: str, output: Tensor, _rows: slice) -> None:
        if name in kept:
            values = by_filter(output).double()
            low, high = values.amin(dim=1).cpu().numpy(), values.amax(dim=1).cpu().numpy()
            found[name] = joined((low, high), found[name]) if name in found else (low, high)

    forward(net, images, layer, on_layer)
    return found


def map_histograms(
    net: nn.Module, images: Tensor, layer: str, ranges: Sequence[Mapping[str, Range]], bins: int = 32
) -> list[dict[str, Floats]]:
    """Count activations per filter in equal bins, once for each set of ranges: a list of {layer: (C,B)}."""
    found: list[dict[str, Floats]] = [{} for _ in ranges]

    def on_layer(name: str, output: Tensor, _rows: slice) -> None:
        for counts, each in zip(found, ranges, strict=True):
            if name in each:
                new = _counted(by_filter(output), each[name], bins)
                counts[name] = counts[name] + new if name in counts else new

    forward(net, images, layer, on_layer)
    return found


def joined(first: Range, second: Range) -> Range:
    """Return the range over both of two ranges, per filter."""
    return np.minimum(first[0], second[0]), np.maximum(first[1], second[1])


def by_filter(output: Tensor) -> Tensor:
    """Lay out an output (n,C,H,W), tokens (n,T,D) or (n,C) with a row for each filter: (C,n*positions)."""
    axis = output.dim() - 1 if output.dim() == 3 else 1
    return output.movedim(axis, 0).flatten(1)


def _counted(values: Tensor, limits: Range, bins: int) -> Floats:
    low = torch.from_numpy(limits[0]).to(values.device)[:, None]
    span = torch.from_numpy(limits[1]).to(values.device)[:, None] - low
    low = torch.where(span > 0, low, low - 0.5)
    span = torch.where(span > 0, span, torch.ones_like(span))
    index = ((values.double() - low) / span * bins).long().clamp_(0, bins - 1)
    index += torch.arange(len(values), device=values.device)[:, None] * bins
    counts = torch.bincount(index.flatten(), minlength=len(values) * bins)
    return counts.view(len(values), bins).double().cpu().numpy()
