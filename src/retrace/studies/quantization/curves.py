"""Gradient norms and curvature of each group's loss."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retrace.compress.quantizing.layers import Rounded
from retrace.metrics.curvature import Curvature
from retrace.metrics.ghost_norms import sample_gradient_norms
from retrace.seeds import derive
from retrace.studies.quantization.setup import Data


def group_curves(net: nn.Module, data: Data, images: int, probes: int, seed: int) -> dict[str, list[float]]:
    """By group: `gradient_norm` of its mean loss, `eigenvalue` (largest), `trace`, and the eigenvalue's
    `residual`; of a network that does not round, `sample_gradient_norm`, the mean norm of an example's.

    Of the first `images` test images a group; a rounding network's derivatives are the straight-through ones.
    """
    params = [p for p in net.parameters() if p.requires_grad]
    rounds = any(isinstance(m, Rounded) for m in net.modules())
    found: dict[str, list[float]] = {
        name: [] for name in ("gradient_norm", "eigenvalue", "trace", "residual")
    }
    if not rounds:
        found["sample_gradient_norm"] = []
    for group in range(data.count):
        x, y = first_images(data, "test", group, images)
        curvature = Curvature(F.cross_entropy(net(x), y), params, f"group {group}")
        top = curvature.largest(seed=derive(seed, "quantization", "lanczos"))
        traces = curvature.traces(probes, derive(seed, "quantization", "probes"))
        found["gradient_norm"].append(float(curvature.gradient.norm()))
        found["eigenvalue"].append(top.value)
        found["residual"].append(top.residual)
        found["trace"].append(sum(traces))
        if not rounds:
            found["sample_gradient_norm"].append(float(sample_gradient_norms(net, x, y).mean()))
    return found


def first_images(data: Data, part: str, group: int, images: int) -> tuple[Tensor, Tensor]:
    """The first images of a group, at most so many, and their labels."""
    rows = torch.from_numpy(np.flatnonzero(data.g[part] == group)[:images]).to(data.y[part].device)
    return data.x[part][rows], data.y[part][rows]
