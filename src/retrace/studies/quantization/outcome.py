"""What a network does to each group, and to groups dealt out at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from retrace.compress.quantizing.layers import Rounded, layers
from retrace.metrics.groups import by_group, outcomes, treatment
from retrace.stage import Array
from retrace.studies.quantization.setup import Data

BATCH = 500  # images a pass


@dataclass(frozen=True)
class Passed:
    """Logits (N,C) and inputs of the last layer (N,D), in float32, of the test images."""

    logits: Array
    features: Array


@torch.no_grad()
def passed(net: nn.Module, x: Tensor) -> Passed:
    """What the network in evaluation mode makes of images x (N,C,H,W)."""
    kept: list[Tensor] = []
    last = [m for m in net.modules() if isinstance(m, Rounded)]
    head = last[-1] if last else list(layers(net).values())[-1]
    hook = head.register_forward_pre_hook(lambda module, given: kept.append(given[0]))
    try:
        logits = torch.cat([net(part) for part in torch.split(x, BATCH)])
    finally:
        hook.remove()
    return Passed(logits.cpu().numpy(), torch.cat(kept).flatten(1).cpu().numpy())


def group_outcomes(found: Passed, plain: Passed, data: Data) -> dict[str, Any]:
    """Means by group (`groups`) and by groups dealt out at random (`random`), and the whole.

    To `retrace.metrics.groups.outcomes` come `feature_error` and `logit_error`: how far the last layer's
    inputs and the logits are from those at full precision, over their length. Where groups are not made of
    labels and there are two classes, `parity` and `odds` are the differences in treatment.
    """
    y = data.y["test"].cpu().numpy()
    errors = {
        "feature_error": _apart(found.features, plain.features),
        "logit_error": _apart(found.logits, plain.logits),
    }
    kinds = {"groups": data.g["test"], "random": data.shuffled}
    whole: dict[str, Any] = {
        kind: outcomes(found.logits, y, g, data.count)
        | {name: by_group(values, g, data.count).tolist() for name, values in errors.items()}
        for kind, g in kinds.items()
    }
    if data.apart and data.classes == 2:
        whole |= treatment(y, found.logits.argmax(1), data.g["test"])
    return whole


def _apart(values: Array, plain: Array) -> Array:
    """Relative error of each example, (N,)."""
    error = np.linalg.norm(values.astype(np.float64) - plain, axis=1)
    return np.asarray(error / np.maximum(np.linalg.norm(plain.astype(np.float64), axis=1), 1e-12))
