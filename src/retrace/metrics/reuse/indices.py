"""Every reuse index and rival of one shifted data set or one target task, by name.

All values are signed so that larger means more retraining expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from retrace.metrics.activations import forward, vectors
from retrace.metrics.reuse.arm import ArmSpec, Samples, arm, compare, layer_distance, sample_distance
from retrace.metrics.reuse.arm_maps import Maps, joined, map_histograms, map_ranges
from retrace.metrics.reuse.clean_side import CleanSide, as_labels, collect_means
from retrace.metrics.reuse.clustering import Labels, Values, check_labels, class_sums
from retrace.metrics.reuse.gradients import initial_gradient_norm
from retrace.metrics.reuse.preindex import add, composite, inv_aris, pair_sums, pixel_change, prepare
from retrace.metrics.reuse.resque import resque_dist, resque_task
from retrace.metrics.reuse.transferability import (
    feature_shift,
    h_score,
    knn_clean_error,
    knn_error,
    leep,
    log_me,
    ncm_error,
    source_error,
    source_loss,
)

ARM_VARIANTS: Mapping[str, ArmSpec] = {
    "arm": ArmSpec(),
    "arm_flat": ArmSpec(reduce="flatten"),
    "arm_hist_own": ArmSpec(hist="own_range", reduce="averaged"),
    "arm_hist_own_positions": ArmSpec(hist="own_range", reduce="averaged", metric="positions"),
    "arm_hist_shared": ArmSpec(hist="shared_range", metric="positions"),
}
FULL_MAP_VARIANTS: Mapping[str, ArmSpec] = {
    "arm_full_map_own": ArmSpec("full_map", "own_range", "averaged"),
    "arm_full_map_own_positions": ArmSpec("full_map", "own_range", "averaged", "positions"),
    "arm_full_map_shared": ArmSpec("full_map", "shared_range", "per_filter", "positions"),
}


def all_indices(
    net: nn.Module,
    clean: CleanSide,
    shifted: Tensor,
    labels: npt.ArrayLike | None = None,
    *,
    gradient: bool = True,
    seed: int = 0,
) -> dict[str, float]:
    """Return every index and rival of one condition: {name: value}, larger = more retraining expected.

    shifted: float32 (N,C,H,W) in [-1,1], row i the shifted copy of clean image i; labels (N,), the clean
    ones by default. Names: `arm*` (`ARM_VARIANTS`, on full maps `FULL_MAP_VARIANTS`), `p_<distance><bins>`,
    `inv_ari*`, `preindex*` (reconstructed composites), `resque` and `resque_pooled` (on penultimate
    features), then the rivals. `gradient=False` leaves out the only backward pass.
    Raises ValueError if the images are not paired.
    """
    truth = clean.labels if labels is None else as_labels(labels)
    if shifted.shape != clean.images.shape:
        raise ValueError(
            f"shifted images {tuple(shifted.shape)} do not pair with {tuple(clean.images.shape)}"
        )
    check_labels(truth, len(shifted), clean.classes)
    distances: dict[str, float] = {}
    means: dict[str, list[Any]] = {}
    collect = collect_means(means, clean.family, clean.classes)
    maps = Maps(net, shifted, clean.layer, clean.maps.chosen, clean.batch)

    def on_layer(name: str, output: Tensor, rows: slice) -> None:
        collect(name, output, rows)
        if name in clean.histograms:
            maps.take(name, output, rows)
            side = prepare(vectors(output, clean.family).cpu().numpy())
            add(distances, pair_sums(clean.histograms[name][rows.start // clean.batch], side))

    passed = forward(net, shifted, clean.layer, on_layer, clean.batch)
    found = {key: total / (len(clean.histograms) * len(shifted)) for key, total in distances.items()}
    found |= inv_aris(passed.embedding, truth, clean.centres, seed)
    found |= _composites(found, pixel_change(clean.images.cpu().numpy(), shifted.cpu().numpy()))
    found |= _arm_variants(clean, {name: np.concatenate(parts) for name, parts in means.items()})
    found |= _full_map_variants(clean, maps)
    pooled = class_sums(passed.pooled(clean.vit_axis), truth, clean.classes)
    found["resque"] = resque_dist(clean.reference_sums, pooled)
    features = class_sums(passed.features, truth, clean.classes)
    found["resque_pooled"] = resque_dist(clean.reference_pooled_sums, features)
    found |= _rivals(passed.features, passed.logits, truth)
    found["knn_clean_error"] = knn_clean_error(clean.passed.features, clean.labels, passed.features, truth)
    found["feature_shift"] = feature_shift(clean.passed.features, passed.features)
    found["source_error"] = source_error(passed.logits, truth)
    found["source_loss"] = source_loss(passed.logits, truth)
    if gradient:
        found["initial_gradient_norm"] = initial_gradient_norm(net, shifted, truth, clean.batch)
    return found


def all_task_indices(
    net: nn.Module,
    images: Tensor,
    labels: npt.ArrayLike,
    clean: CleanSide,
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Return every index and rival of one target task: {name: value}, larger = more retraining expected.

    images: the target task's training images, float32 (M,C,H,W) in [-1,1], fed through the source network
    with its old head; labels (M,) from 0. They need no pairing with the clean side: `clean` gives the layer
    and what feature shift and ARM compare with.
    """
    truth = as_labels(labels)
    check_labels(truth, len(images), int(truth.max(initial=0)) + 1)
    means: dict[str, list[Any]] = {}
    collect = collect_means(means, clean.family, clean.classes)
    passed = forward(net, images, clean.layer, collect, clean.batch)
    found = resque_task(passed.embedding, passed.pooled(clean.vit_axis), truth, seed)
    found |= _rivals(passed.features, passed.logits, truth)
    found["feature_shift"] = feature_shift(clean.passed.features, passed.features)
    shifted = {name: np.concatenate(parts) for name, parts in means.items()}
    found["arm"] = arm(clean.ordered, shifted)
    if truth.max() < passed.logits.shape[1]:
        found["source_error"] = source_error(passed.logits, truth)
        found["source_loss"] = source_loss(passed.logits, truth)
    return found


def _composites(found: Mapping[str, float], s: float) -> dict[str, float]:
    p, disagreement = found["p_js32"], found["inv_ari"]
    return {
        "pixel_rmse": float(np.sqrt(s)),
        "preindex_s": s,
        "preindex_sum": p + disagreement,
        "preindex": composite(p, disagreement, s),
        "preindex_mean_bar": composite(p, disagreement, s, "mean"),
        "preindex_bh": composite(found["p_bh32"], disagreement, s),
        "preindex_noise1": composite(p, found["inv_ari_noise1"], s),
    }


def _arm_variants(clean: CleanSide, shifted: dict[str, Samples]) -> dict[str, float]:
    ordered = {name: np.sort(values, axis=0) for name, values in shifted.items()}

    def distance(first: Samples, second: Samples, spec: ArmSpec) -> float:
        if spec == ArmSpec():
            return float(sample_distance(first, second, presorted=True).mean())
        return layer_distance(first, second, spec)

    return {name: arm(clean.ordered, ordered, spec, distance) for name, spec in ARM_VARIANTS.items()}


def _full_map_variants(clean: CleanSide, maps: Maps) -> dict[str, float]:
    if not len(maps.chosen):
        return {}
    ranges = map_ranges(maps)
    shared = {name: joined(ranges[name], clean.map_ranges[name]) for name in ranges}
    own, both = map_histograms(maps, [ranges, shared])
    clean_both = map_histograms(clean.maps, [shared])[0]
    found = {}
    for key, spec in FULL_MAP_VARIANTS.items():
        left, right = (clean.map_counts, own) if spec.hist == "own_range" else (clean_both, both)
        found[key] = float(np.mean([compare(left[name], right[name], spec) for name in left]))
    return found


def _rivals(features: Values, logits: Values, labels: Labels) -> dict[str, float]:
    return {
        "knn_error": knn_error(features, labels),
        "ncm_error": ncm_error(features, labels),
        "hscore_neg": -h_score(features, labels),
        "logme_neg": -log_me(features, labels),
        "leep_neg": -leep(logits, labels),
    }
