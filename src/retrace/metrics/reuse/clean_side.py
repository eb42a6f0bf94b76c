"""What the reuse indices need from a model and its clean data, computed once for all shifts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from retrace.metrics.activations import (
    Family,
    OnLayer,
    Pass,
    VitAxis,
    channel_means,
    family,
    forward,
    last_conv,
    vectors,
)
from retrace.metrics.reuse.arm_maps import Maps, Ranges, map_histograms, map_ranges
from retrace.metrics.reuse.clustering import Labels, Values, check_labels, class_means, class_sums
from retrace.metrics.reuse.histograms import Floats
from retrace.metrics.reuse.preindex import Layer, inv_aris, prepare
from retrace.metrics.reuse.resque import class_activation_sums

Means = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class CleanSide:
    """The clean half of every index of one model; build it with `clean_side`.

    images (N,C,H,W) in [-1,1] and labels (N,) are the pairs' clean halves. Per kept layer: `histograms`
    (one list entry a batch) and `ordered`, the channel means (N,C_l) sorted within each filter.
    `reference_sums` (K,C) are RESQUE's class sums, `centres` (K,E) the class means of the embedding.
    `passed` holds the clean logits, features and embedding. `maps`, `map_ranges`, `map_counts` serve ARM on
    full maps. `inv_ari_clean`: the two readings of inv_ari on the clean side alone.
    Histograms take about 3 kB an image and layer.
    """

    classes: int
    layer: str
    family: Family
    batch: int
    vit_axis: VitAxis
    images: Tensor
    labels: Labels
    passed: Pass
    centres: Values
    reference_sums: Values
    reference_pooled_sums: Values
    histograms: dict[str, list[Layer]]
    ordered: Means
    maps: Maps
    map_ranges: Ranges
    map_counts: dict[str, Floats]
    inv_ari_clean: dict[str, float]


def clean_side(
    net: nn.Module,
    images: Tensor,
    labels: npt.ArrayLike,
    classes: int,
    *,
    layer: str | None = None,
    kind: Family | None = None,
    reference: tuple[Tensor, npt.ArrayLike] | None = None,
    full_map_images: int = 500,
    vit_axis: VitAxis = "channel",
    batch: int = 128,
    seed: int = 0,
) -> CleanSide:
    """Run the clean images through the network and keep all that does not depend on the shift.

    images: float32 (N,C,H,W) in [-1,1], the very images whose shifted copies come later, in that order;
    labels (N,) in 0..classes-1. `layer`: name of the layer for embeddings and RESQUE (default `last_conv`).
    `kind`: "cnn" or "vit", told from the network by default.
    `reference`: other clean images and labels for RESQUE's class sums, which need no pairing (default: the
    same images). `full_map_images`: evenly spaced images used for ARM on full maps (0: leave it out).
    """
    truth = as_labels(labels)
    check_labels(truth, len(images), classes)
    named = layer or last_conv(net, images[:2])
    kind = kind or family(net)
    histograms: dict[str, list[Layer]] = {}
    means: dict[str, list[npt.NDArray[np.float32]]] = {}
    chosen = np.unique(np.linspace(0, len(images) - 1, min(full_map_images, len(images))).astype(np.intp))
    maps = Maps(net, images, named, chosen, batch)
    collect = collect_means(means, kind, classes)

    def on_layer(name: str, output: Tensor, rows: slice) -> None:
        collect(name, output, rows)
        if name in means:
            histograms.setdefault(name, []).append(prepare(vectors(output, kind).cpu().numpy()))
            maps.take(name, output, rows)

    passed = forward(net, images, named, on_layer, batch)
    if not histograms:
        raise ValueError(f"no layer is wider than the {classes} classes; the indices need a wider network")
    sums: tuple[Values, Values]
    if reference is None:
        sums = (
            class_sums(passed.pooled(vit_axis), truth, classes),
            class_sums(passed.features, truth, classes),
        )
    else:
        other, other_labels = reference[0], as_labels(reference[1])
        sums = class_activation_sums(net, other, other_labels, named, classes, vit_axis, batch)
    ranges = map_ranges(maps)
    return CleanSide(
        classes=classes,
        layer=named,
        family=kind,
        batch=batch,
        vit_axis=vit_axis,
        images=images,
        labels=truth,
        passed=passed,
        centres=class_means(passed.embedding, truth),
        reference_sums=sums[0],
        reference_pooled_sums=sums[1],
        histograms=histograms,
        ordered={name: np.sort(np.concatenate(parts), axis=0) for name, parts in means.items()},
        maps=maps,
        map_ranges=ranges,
        map_counts=map_histograms(maps, [ranges])[0],
        inv_ari_clean=inv_aris(passed.embedding, truth, None, seed),
    )


def as_labels(labels: npt.ArrayLike | Tensor) -> Labels:
    """Return labels as int64 (N,)."""
    return np.asarray(labels.cpu() if isinstance(labels, Tensor) else labels, dtype=np.int64)


def collect_means(store: dict[str, list[Any]], kind: Family, classes: int) -> OnLayer:
    """Return a callback for `forward` that appends each kept layer's channel means to `store`."""

    def on_layer(name: str, output: Tensor, _rows: slice) -> None:
        if vectors(output, kind).shape[1] > classes:
            store.setdefault(name, []).append(channel_means(output).float().cpu().numpy().copy())

    return on_layer
