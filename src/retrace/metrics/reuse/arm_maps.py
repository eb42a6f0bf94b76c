"""ARM on full activation maps: ranges and histograms layer by layer, from maps kept or made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from retrace.metrics.activations import forward
from retrace.metrics.reuse.arm import Range
from retrace.metrics.reuse.histograms import Floats

Ranges = dict[str, Range]
LIMIT = 2**30  # bytes of maps kept: 400 images of a ResNet-18 at 32x32


class Maps:
    """The full maps of the images (N,C,H,W) in rows `chosen`, for the layers given to `take`.

    `take` is called in a pass over all images, so the maps cost no pass of their own; where they would need
    more than `limit` bytes, none are kept and `each` runs the chosen images again.
    """

    def __init__(
        self,
        net: nn.Module,
        images: Tensor,
        layer: str,
        chosen: npt.NDArray[np.intp],
        batch: int = 128,
        limit: int = LIMIT,
    ) -> None:
        self.net, self.images, self.layer, self.chosen, self.batch = net, images, layer, chosen, batch
        self.room = limit
        self.layers: set[str] = set()
        self.kept: list[tuple[str, Tensor]] = []

    def take(self, name: str, output: Tensor, rows: slice) -> None:
        """Keep what the images `rows` leave in a layer, (n,...), of those that are chosen."""
        first, last = np.searchsorted(self.chosen, (rows.start, rows.stop))
        if first == last:
            return
        self.layers.add(name)
        if self.room >= 0:
            part = output[torch.from_numpy(self.chosen[first:last] - rows.start).to(output.device)]
            self.room -= part.numel() * part.element_size()
            self.kept.append((name, part))
        if self.room < 0:
            self.kept.clear()

    def each(self, see: Callable[[str, Tensor], Any]) -> None:
        """Call `see(layer, output)` for every layer and batch of chosen images."""
        for name, output in self.kept:
            see(name, output)
        if self.layers and not self.kept:

            def on_layer(name: str, output: Tensor, _rows: slice) -> None:
                if name in self.layers:
                    see(name, output)

            images = self.images[torch.from_numpy(self.chosen)]
            forward(self.net, images, self.layer, on_layer, self.batch)


def map_ranges(maps: Maps) -> Ranges:
    """Return each layer's smallest and largest activation per filter, (C,) each, over all positions."""
    found: Ranges = {}

    def see(name: str, output: Tensor) -> None:
        values = by_filter(output)
        low, high = (end.double().cpu().numpy() for end in (values.amin(dim=1), values.amax(dim=1)))
        found[name] = joined((low, high), found[name]) if name in found else (low, high)

    maps.each(see)
    return found


def map_histograms(
    maps: Maps, ranges: Sequence[Mapping[str, Range]], bins: int = 32
) -> list[dict[str, Floats]]:
    """Count activations per filter in equal bins, once for each set of ranges: a list of {layer: (C,B)}."""
    found: list[dict[str, Floats]] = [{} for _ in ranges]

    def see(name: str, output: Tensor) -> None:
        values = by_filter(output).double()
        for counts, each in zip(found, ranges, strict=True):
            new = _counted(values, each[name], bins)
            counts[name] = counts[name] + new if name in counts else new

    maps.each(see)
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
    index = (values - low).div_(span).mul_(bins).long().clamp_(0, bins - 1)
    index += torch.arange(len(values), device=values.device)[:, None] * bins
    counts = torch.bincount(index.flatten(), minlength=len(values) * bins)
    return counts.view(len(values), bins).double().cpu().numpy()
