"""Random crops and mirror images of a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PADDING = 4


def augmented(x: Tensor, how: str, generator: torch.Generator) -> Tensor:
    """Images (N, C, H, W) cropped at random from padded ones ("crop"), and mirrored ("crop-flip")."""
    if how == "none":
        return x
    count, side = len(x), x.shape[-1]
    padded = F.pad(x, (PADDING,) * 4)
    corner = torch.randint(0, 2 * PADDING + 1, (2, count, 1), generator=generator)
    steps = torch.arange(side)
    rows, columns = (corner[0] + steps).to(x.device), (corner[1] + steps).to(x.device)
    if how == "crop-flip":
        mirrored = (torch.rand(count, 1, generator=generator) < 0.5).to(x.device)
        columns = torch.where(mirrored, columns.flip(1), columns)
    place = torch.arange(count, device=x.device).view(-1, 1, 1)
    return padded.permute(0, 2, 3, 1)[place, rows.unsqueeze(2), columns.unsqueeze(1)].permute(0, 3, 1, 2)
