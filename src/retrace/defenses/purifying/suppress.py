"""What becomes of flagged channels: in an adapter they fall silent, in full weights they are drawn anew."""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.defenses.purifying.lowrank import Factors
from retrace.defenses.purifying.names import Filling


def silenced(change: Factors, gone: Tensor, columns: bool = False) -> Factors:
    """The change without its rows `gone` (out,), or, with `columns`, without its columns `gone` (in,)."""
    if columns:
        return silenced(change.turned, gone).turned
    return Factors(torch.where(gone.to(change.left.device)[:, None], 0, change.left), change.right)


def refilled(
    weight: Tensor, gone: Tensor, filling: Filling, generator: torch.Generator, columns: bool = False
) -> Tensor:
    """A weight (out,in) whose rows `gone` (or columns, with `columns`) are filled anew; the rest as it was.

    zero; xavier: drawn from +-sqrt(6/(in+out)) (Glorot and Bengio 2010); shrink: the mean of the channels
    that stay (zero when none does).
    """
    if columns:
        return refilled(weight.T, gone, filling, generator).T.contiguous()
    gone = gone.to(weight.device)
    new = torch.zeros_like(weight)
    if filling == "xavier":
        bound = (6 / sum(weight.shape)) ** 0.5
        new = (torch.rand(weight.shape, generator=generator) * 2 * bound - bound).to(weight)
    elif filling == "shrink" and not bool(gone.all()):
        new = weight[~gone].mean(0, keepdim=True).expand_as(weight)
    return torch.where(gone[:, None], new, weight)
