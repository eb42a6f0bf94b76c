"""Images as tensors, and shuffled batches of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]


def to_tensor(images: npt.NDArray[np.uint8], device: str | torch.device = "cpu") -> Tensor:
    """(N, H, W, C) bytes to (N, C, H, W) float32 in [-1, 1], channels last in memory.

    Convolutions on a CPU train an eighth to a third faster in that memory format.
    """
    x = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2)
    return (x.to(torch.float32) / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)


def steps_per_epoch(rows: int, batch: int) -> int:
    """Optimiser steps of one epoch; the last batch may be smaller."""
    if rows < 1 or batch < 1:
        raise ValueError(f"{rows} rows in batches of {batch}: both must be at least 1")
    return -(-rows // batch)


def epochs(x: Tensor, y: Tensor, batch: int, seed: int) -> Iterator[list[Batch]]:
    """Endless epochs, each a list of batches (views of one shuffled copy), in an order fixed by `seed`."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(y), generator=generator).to(x.device)
        yield list(zip(torch.split(x[order], batch), torch.split(y[order], batch), strict=True))
