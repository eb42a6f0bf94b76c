"""Images as networks take them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from retrace.study import Array


def tensor(x: Array) -> Tensor:
    """uint8 (N,H,W,C) to float32 (N,C,H,W) in [-1,1]."""
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))).float().div_(127.5).sub_(1)


def labels(y: Array) -> Tensor:
    """Labels as int64 (N,)."""
    return torch.from_numpy(np.ascontiguousarray(y))
