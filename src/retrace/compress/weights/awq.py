"""AWQ: scale inputs by a power of their size before rounding, and clip ranges, both by the output error.

Everything is computed from the input's moments; no activation is looked at again. Scales are undone in the
weights (W' = Q(W s)/s), as they are where the operation before takes them up, so no pair of layers needs to
fit. Source: Lin et al., AWQ (MLSys 2024): 20 powers, clips down to half of the range.
"""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.compress.weights.error import output_error
from retrace.compress.weights.grids import groups, rtn

POWERS, CLIPS = 20, 5  # tried
SEEN = 48  # rows of the stack by which the power is chosen
ROWS = 96  # rows clipped at once: larger blocks leave a processor's cache


def awq(
    weight: Tensor, size: Tensor, hessian: Tensor, bits: int, group: int, clipped: Tensor | None = None
) -> Tensor:
    """Matrices that share an input, stacked (O,I), rounded with the best scales and clips.

    `size` (I,) is the mean of |x|, `hessian` (I,I) as in `columns`. `clipped` (O,) marks rows whose ranges
    may be clipped (AWQ leaves queries and keys alone); None: all. StageError for a group that does not fit.
    """
    every = -(-len(weight) // SEEN)
    some = weight[::every]
    tried = [scales(size, power / POWERS) for power in range(POWERS)]
    errors = [float(output_error(rtn(some * s, bits, group) / s - some, hessian)) for s in tried]
    s = tried[errors.index(min(errors))]
    scaled = weight * s
    rows = torch.ones(len(weight), dtype=torch.bool, device=weight.device) if clipped is None else clipped
    clip = scaled.new_ones(len(weight), weight.shape[1] // group, 1)
    clip[rows] = best_clip(scaled[rows], hessian / s / s[:, None], bits, group)
    return rtn(scaled, bits, group, clip) / s


def scales(size: Tensor, power: float) -> Tensor:
    """size^power (I,), normalised so that the largest times the smallest is 1."""
    s = size.clamp_min(1e-4) ** power
    return s / (s.max() * s.min()).sqrt()


def best_clip(weight: Tensor, hessian: Tensor, bits: int, group: int) -> Tensor:
    """By row and group (O,G,1) the share of the range, 1 down to above 0.5, of least output error.

    A group's error is taken alone: its block of `hessian`, without what it shares with other groups.
    """
    count = weight.shape[1] // group
    blocks = hessian.reshape(count, group, count, group)
    own = blocks[torch.arange(count), :, torch.arange(count)].contiguous()  # (G,g,g)
    return torch.cat([_clip(rows, own, bits, group) for rows in torch.split(weight, ROWS)])


def _clip(weight: Tensor, own: Tensor, bits: int, group: int) -> Tensor:
    some = groups(weight, group)  # (O,G,g)
    shares = [1 - 0.5 * n / CLIPS for n in range(CLIPS)]
    errors = []
    for share in shares:
        change = (groups(rtn(weight, bits, group, share), group) - some).transpose(0, 1)  # (G,O,g)
        errors.append((torch.bmm(change, own) * change).sum(2))
    best = torch.stack(errors).argmin(0).T[..., None]  # (O,G,1)
    return torch.tensor(shares, dtype=weight.dtype, device=weight.device)[best]
