"""Which channels several re-infections change alike (BD-VAX, Li and Kim 2026), and which to flag.

s_j = mean over variants of ||D_ij|| + weight * mean over pairs of max(0, cos(D_ij, D_lj)), with D_i the
change that variant i makes beyond its clean counterpart. The paper's figure draws the two multiplied, its
formula adds them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.defenses.purifying.names import Part

WEIGHT = 0.01  # of alignment, in the released code


def channel_scores(dots: Tensor, part: Part = "sum", weight: float = WEIGHT) -> Tensor:
    """Score of every channel (out,) from `row_dots` (N,N,out); one variant has no pairs, so no alignment."""
    n = len(dots)
    norms = torch.stack([dots[i, i] for i in range(n)]).clamp_min(0).sqrt()  # (N,out)
    magnitude = norms.mean(0)
    alignment = torch.zeros_like(magnitude)
    for i in range(n):
        for other in range(i + 1, n):
            alike = dots[i, other] / (norms[i] * norms[other]).clamp_min(1e-30)
            alignment += alike.clamp_min(0) * 2 / (n * (n - 1))
    if part == "magnitude":
        return magnitude
    if part == "alignment":
        return alignment
    return magnitude * alignment if part == "product" else magnitude + weight * alignment


def flagged(scores: Tensor, share: float) -> Tensor:
    """The `share` of channels with the largest scores (out,), true; ties go to the lower number.

    Ranked within a module, so that every module loses the same share. ValueError outside 0 to 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"share {share:g} of channels: take one between 0 and 1")
    order = torch.argsort(scores, descending=True, stable=True)
    chosen = torch.zeros(len(scores), dtype=torch.bool)
    chosen[order[: round(share * len(scores))].cpu()] = True
    return chosen


def overlap(first: Tensor, second: Tensor) -> float:
    """Jaccard index of two flagged sets (out,): 1 where they are the same; nan where both are empty."""
    union = int((first | second).sum())
    return float((first & second).sum()) / union if union else float("nan")
