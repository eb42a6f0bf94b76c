"""ARM: the mean over layers of a Wasserstein distance between activation distributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from retrace.metrics.reuse.histograms import Floats, row_histograms

Samples = npt.NDArray[Any]
Range = tuple[Floats, Floats]


@dataclass(frozen=True)
class ArmSpec:
    """How ARM describes a layer and compares two data sets.

    pooling: "spatial_mean" (one value per image and filter) or "full_map" (every position).
    hist: "none" compares the samples; "own_range" and "shared_range" compare histograms of `bins` equal bins
    over each data set's own range or over the range of both.
    reduce: "per_filter" (distance per filter, then mean), "averaged" (mean of the filters' histograms, then
    one distance) or "flatten" (all filters in one sample).
    metric: of two histograms, "values_as_samples" = mean |sort(u)-sort(v)|; "positions" = Wasserstein with
    bins on [0,1]. Without a histogram both mean the distance between the samples.
    The default is the textbook form, which is the representation shift of Stacke et al. (arXiv 1909.11575).
    """

    pooling: Literal["spatial_mean", "full_map"] = "spatial_mean"
    hist: Literal["none", "own_range", "shared_range"] = "none"
    reduce: Literal["per_filter", "averaged", "flatten"] = "per_filter"
    metric: Literal["values_as_samples", "positions"] = "values_as_samples"
    bins: int = 32

    def __post_init__(self) -> None:
        if self.hist == "none" and self.reduce == "averaged":
            raise ValueError(
                "ARM: reduce 'averaged' averages histograms; choose hist own_range or shared_range"
            )


def sample_distance(first: Samples, second: Samples, presorted: bool = False) -> Floats:
    """Return the exact Wasserstein-1 distance between the columns of (N,C) and (M,C): (C,), float64."""
    if not presorted:
        first, second = np.sort(first, axis=0), np.sort(second, axis=0)
    many, few = len(first), len(second)
    if many == few:
        gaps = np.abs(np.subtract(first, second, dtype=np.float64))
        return np.asarray(gaps.mean(axis=0))
    # quantile functions are steps at multiples of 1/N and 1/M: integrate over whole steps of 1/(N*M)
    ends = np.union1d(np.arange(1, many + 1) * few, np.arange(1, few + 1) * many)
    weights = np.diff(ends, prepend=0) / (many * few)
    left = first[(ends - 1) // few].astype(np.float64)
    return np.asarray(weights @ np.abs(left - second[(ends - 1) // many]))


def histogram_distance(first: Floats, second: Floats, metric: str) -> Floats:
    """Compare normalised histograms (...,B) row by row; see `ArmSpec.metric`."""
    if metric == "positions":
        gaps = np.cumsum(first - second, axis=-1)
    else:
        gaps = np.sort(first, axis=-1) - np.sort(second, axis=-1)
    return np.asarray(np.abs(gaps).mean(axis=-1))


def ranged_histograms(samples: Samples, bins: int, low: Floats, high: Floats) -> Floats:
    """Count the columns of (N,C) in equal bins between low and high (C,): (C,B) counts, float64."""
    span = np.where(high > low, high - low, 1.0)
    low = np.where(high > low, low, low - 0.5)
    index = ((samples.T.astype(np.float64) - low[:, None]) / span[:, None] * bins).astype(np.intp)
    np.clip(index, 0, bins - 1, out=index)
    index += (np.arange(samples.shape[1]) * bins)[:, None]
    counts = np.bincount(index.ravel(), minlength=samples.shape[1] * bins).reshape(-1, bins)
    return counts.astype(np.float64)


def layer_distance(first: Samples, second: Samples, spec: ArmSpec = ArmSpec()) -> float:
    """Return the distance of one layer between samples (N,C) and (M,C) under `spec`."""
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"ARM: a layer has {first.shape[1]} filters on one side, {second.shape[1]} on the other"
        )
    if spec.reduce == "flatten":
        first, second = first.reshape(-1, 1), second.reshape(-1, 1)
    if spec.hist == "none":
        return float(sample_distance(first, second).mean())
    if spec.hist == "own_range":
        u, v = (row_histograms(side.T, (spec.bins,))[spec.bins].astype(float) for side in (first, second))
    else:
        low = np.minimum(first.min(axis=0), second.min(axis=0)).astype(np.float64)
        high = np.maximum(first.max(axis=0), second.max(axis=0)).astype(np.float64)
        u, v = (ranged_histograms(side, spec.bins, low, high) for side in (first, second))
    return compare(u, v, spec)


def compare(first: Floats, second: Floats, spec: ArmSpec) -> float:
    """Return a layer's distance from the filters' counts (C,B) of both sides, under `spec`."""
    u, v = (side / side.sum(axis=1, keepdims=True) for side in (first, second))
    if spec.reduce == "averaged":
        u, v = u.mean(axis=0, keepdims=True), v.mean(axis=0, keepdims=True)
    return float(histogram_distance(u, v, spec.metric).mean())


def arm(
    clean: Mapping[str, Samples],
    shifted: Mapping[str, Samples],
    spec: ArmSpec = ArmSpec(),
    distance: Callable[[Samples, Samples, ArmSpec], float] = layer_distance,
) -> float:
    """Return ARM: the mean over layers of the distance between clean and shifted activations.

    Both map a layer to samples (N,C): channel means, or every position of the full map as a row.
    Source: ARM (arXiv 2405.09600); its choice of histogram and metric is not known, so each is an option.
    Raises ValueError if the layers differ.
    """
    if clean.keys() != shifted.keys() or not clean:
        raise ValueError(f"ARM: layers differ or are none: {sorted(clean)} and {sorted(shifted)}")
    return float(np.mean([distance(clean[name], shifted[name], spec) for name in clean]))
