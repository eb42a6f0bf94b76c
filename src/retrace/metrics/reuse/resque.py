"""RESQUE: the angle between class activations (distribution shift) and cluster disagreement (task shift)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from retrace.metrics.activations import Batch, VitAxis, pooled_output, stream
from retrace.metrics.reuse.clustering import (
    Labels,
    Values,
    adjusted_rand_index,
    check_labels,
    class_means,
    kmeans_clusters,
    lloyd,
)


def class_activation_sums(
    net: nn.Module,
    images: Tensor,
    labels: Labels,
    layer: str,
    classes: int,
    vit_axis: VitAxis = "channel",
    batch: int = 128,
) -> tuple[Values, Values]:
    """Sum over the images of each class, in one batched pass that keeps nothing else: float64.

    (classes,C): a layer's raw output, averaged over space (CNN) or along `vit_axis` (see `pooled_output`).
    (classes,D): the features, the input of the last linear layer.
    Source: RESQUE (arXiv 2412.15511), released code of RESQUE_dist, which takes the first.
    """
    check_labels(labels, len(images), classes)
    targets = torch.from_numpy(np.asarray(labels, dtype=np.int64))
    sums: list[Tensor] = []

    def add(found: Batch) -> None:
        rows = targets[found.rows].to(found.output.device)
        parts = (pooled_output(found.output, vit_axis), found.features.double())
        if not sums:
            sums.extend(part.new_zeros(classes, part.shape[1]) for part in parts)
        for total, part in zip(sums, parts, strict=True):
            total.index_add_(0, rows, part)

    stream(net, images, layer, add, batch=batch)
    outputs, features = (total.cpu().numpy() for total in sums)
    return outputs, features


def resque_dist(clean: Values, shifted: Values) -> float:
    """Return RESQUE_dist: the mean over classes of the angle between class sums (K,C), over pi, in [0,1].

    0 for the same direction, 0.5 for orthogonal, 1 for opposite. A class whose sum is zero on either side
    (absent) is left out; ValueError if none is left. The angle is 2 atan2(|a-b|, |a+b|) of unit vectors,
    which keeps its precision where arccos loses it. Source: RESQUE (arXiv 2412.15511), released code.
    """
    lengths = [np.linalg.norm(side.astype(np.float64), axis=1) for side in (clean, shifted)]
    used = (lengths[0] > 0) & (lengths[1] > 0)
    if not used.any():
        raise ValueError("RESQUE: no class has activations on both sides; check labels and the layer")
    a, b = (side[used] / length[used, None] for side, length in zip((clean, shifted), lengths, strict=True))
    angles = 2 * np.arctan2(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    return float(angles.mean() / np.pi)


def resque_task(embedding: Values, pooled: Values, labels: Labels, seed: int = 0) -> dict[str, float]:
    """Return the four readings of RESQUE_task = 1 - adjusted Rand index of clustered target data.

    embedding (N,E) and pooled (N,C): the source network's layer, flattened and averaged over space.
    `resque_task` (flattened, class means as first centres) is our default reading: which of the four the
    paper reports is not known. Source: RESQUE (arXiv 2412.15511), released code of RESQUE_task.
    """
    classes = len(np.unique(labels))
    found = {}
    for name, values in (("resque_task", embedding), ("resque_task_pooled", pooled)):
        found[name] = 1 - adjusted_rand_index(labels, lloyd(values, class_means(values, labels)))
        found[f"{name}_kmeanspp"] = 1 - adjusted_rand_index(labels, kmeans_clusters(values, classes, seed))
    return found
