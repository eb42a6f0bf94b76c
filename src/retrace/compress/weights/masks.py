"""Which weights stay: a share of a matrix or of each row, or n of every m consecutive inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.compress.weights.names import Pattern, check_width


def largest_of_matrix(scores: Tensor, share: float) -> Tensor:
    """True where a score (O,I) is not among the `share` lowest of the matrix."""
    count = round(share * scores.numel())
    if count == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    return scores > scores.flatten().kthvalue(count).values


def largest_of_rows(scores: Tensor, share: float) -> Tensor:
    """True where a score (O,I) is not among the `share` lowest of its row."""
    count = round(share * scores.shape[1])
    if count == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    return scores > scores.kthvalue(count, dim=1, keepdim=True).values


def n_of_m(scores: Tensor, kept: Pattern, dim: int = 1) -> Tensor:
    """True for the largest `kept.keep` of every `kept.of` consecutive scores along `dim`; ties: the first.

    Lanes are compared with one another, which is many times faster than sorting so few.
    StageError when the pattern does not divide the inputs.
    """
    of = check_width(scores.shape[dim], kept.of, "pattern of")
    lanes = scores.movedim(dim, 0).reshape(-1, of, scores.shape[1 - dim]).unbind(1)
    ahead = [torch.zeros_like(lanes[0], dtype=torch.uint8) for _ in lanes]  # how many lanes beat this one
    for i in range(of):
        for j in range(i):
            later = lanes[i] > lanes[j]
            ahead[j] += later.view(torch.uint8)
            ahead[i] += later.logical_not_().view(torch.uint8)
    return torch.stack([count < kept.keep for count in ahead], 1).flatten(0, 1).movedim(0, dim)


def keep(scores: Tensor, kept: Pattern | float, by_row: bool = False) -> Tensor:
    """What stays of scores (O,I): by a pattern, or all but a share, of each row or of the matrix."""
    if isinstance(kept, Pattern):
        return n_of_m(scores, kept)
    return largest_of_rows(scores, kept) if by_row else largest_of_matrix(scores, kept)
