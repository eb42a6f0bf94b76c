"""PreIndex: representation distance p, cluster disagreement, and a reconstructed composite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from retrace.metrics.reuse.clustering import (
    Labels,
    Values,
    adjusted_rand_index,
    class_means,
    kmeans_clusters,
    lloyd,
)
from retrace.metrics.reuse.histograms import BINS, DISTANCES, Floats, Prepared, distance_sums, row_histograms

Bar = Literal["complement", "mean"]
Layer = Mapping[int, Prepared]  # bins -> prepared histograms of one layer, one row an image


def prepare(vectors: npt.NDArray[Any], bins: Sequence[int] = BINS) -> dict[int, Prepared]:
    """Return the histograms of one layer's vectors (N,C), one a row, ready for `pair_sums`."""
    counts = row_histograms(vectors, bins)
    return {size: Prepared.of(counts[size], vectors.shape[1]) for size in bins}


def pair_sums(clean: Layer, shifted: Layer) -> dict[str, float]:
    """Sum the distances of paired images in one layer: {"p_js32": ..., ...}, every distance and bin count."""
    sums: dict[str, float] = {}
    for size, side in clean.items():
        for name, total in zip(DISTANCES, distance_sums(side, shifted[size]), strict=True):
            sums[f"p_{name}{size}"] = float(total)
    return sums


def representation_distance(
    clean: Mapping[str, npt.NDArray[Any]],
    shifted: Mapping[str, npt.NDArray[Any]],
    bins: Sequence[int] = BINS,
    batch: int = 512,
) -> dict[str, float]:
    """Return p: the mean over layers and images of the distance between paired histograms.

    Both map a layer to vectors (N,C_l), row i of both from the same image. Keys "p_<distance><bins>", the
    distances being w, js, bh, kl (see `distance_sums`). Which of them the paper calls p is not known.
    Source: PreIndex (arXiv 2408.01446), released code.
    """
    if clean.keys() != shifted.keys() or not clean:
        raise ValueError(f"PreIndex: layers differ or are none: {sorted(clean)} and {sorted(shifted)}")
    totals: dict[str, float] = {}
    images = 0
    for name, left in clean.items():
        right, images = shifted[name], len(left)
        if left.shape != right.shape:
            raise ValueError(
                f"PreIndex: layer {name} has shapes {left.shape} and {right.shape}; pair the images"
            )
        for start in range(0, images, batch):
            rows = slice(start, start + batch)
            add(totals, pair_sums(prepare(left[rows], bins), prepare(right[rows], bins)))
    return {key: total / (len(clean) * images) for key, total in totals.items()}


def add(totals: dict[str, float], sums: Mapping[str, float]) -> None:
    """Add sums to running totals in place."""
    for key, value in sums.items():
        totals[key] = totals.get(key, 0.0) + value


def inv_ari(embedding: Values, labels: Labels, centres: Values) -> float:
    """Return 1 - adjusted Rand index between labels (N,) and k-means clusters of (N,E) from centres (K,E)."""
    return 1 - adjusted_rand_index(labels, lloyd(embedding, centres))


def inv_aris(
    embedding: Values, labels: Labels, clean_centres: Values | None, seed: int = 0
) -> dict[str, float]:
    """Return the readings of inv_ari for one side's embedding (N,E).

    `inv_ari` starts at the clean class means ("noise_2" of the released code; our default, as it is the one
    that measures drift), `inv_ari_noise1` at the side's own class means, `inv_ari_kmeanspp` at a k-means++
    start. Without `clean_centres` (the clean side itself) the first is left out.
    """
    found: dict[str, float] = {}
    if clean_centres is not None:
        found["inv_ari"] = inv_ari(embedding, labels, clean_centres)
    found["inv_ari_noise1"] = inv_ari(embedding, labels, class_means(embedding, labels))
    clusters = kmeans_clusters(embedding, len(np.unique(labels)), seed)
    found["inv_ari_kmeanspp"] = 1 - adjusted_rand_index(labels, clusters)
    return found


def composite(p: float, disagreement: float, s: float, bar: Bar = "complement") -> float:
    """Return PreIndex = q / (1 + q s) - s_bar with q = p + inv_ari.

    A reconstruction: the formula is known from a summary only, the released code stops before it, and the
    definitions of s and s_bar are ours. s = mean squared pixel change with pixels in [0,1];
    s_bar = 1 - s ("complement", the default) or s itself ("mean").
    """
    q = p + disagreement
    return q / (1 + q * s) - (1 - s if bar == "complement" else s)


def pixel_change(clean: Values | Floats, shifted: Values | Floats) -> float:
    """Return s: the mean squared change between paired images (N,...) scaled to [-1,1], in [0,1] units."""
    if clean.shape != shifted.shape:
        raise ValueError(f"images have shapes {clean.shape} and {shifted.shape}; pair them")
    total = 0.0
    for start in range(0, len(clean), 256):
        rows = slice(start, start + 256)
        total += float(np.square(clean[rows].astype(np.float64) - shifted[rows]).sum())
    return total / clean.size / 4
