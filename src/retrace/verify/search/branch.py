"""Which neuron to split: gap scores (De Palma et al. 2021, arXiv 2104.06718)."""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.verify.bounds.dual import Evaluation
from retrace.verify.bounds.relaxation import Relaxation


def candidates(found: Evaluation, line: Relaxation, open_: Tensor, count: int) -> Tensor:
    """The most promising unstable neurons (n, at most 2 x count) of n one-row bounds, -1 where there is none.

    Half by the gap at the minimiser, |a| x the distance of relu(z) from the line the bound uses there; half
    by the largest gap of the upper line, -min(a, 0) x intercept, the second term of BaBSR (Bunel et al. 2020,
    arXiv 1909.06588). `open_` (n, hidden) marks unstable neurons. Which of them to split, a look at both
    children decides (`bounding.Search.children`).
    """
    a, z = found.coefficients[:, 0], found.values[:, 0]
    low, high, intercept = line.low[:, 0], line.high[:, 0], line.intercept[:, 0]
    used = torch.where(a >= 0, low * z, high * z + intercept)
    here = (a * (z.relu() - used)).masked_fill(~open_, -torch.inf)
    most = (-a.clamp(max=0) * intercept).masked_fill(~open_, -torch.inf)
    count = min(count, open_.shape[1])
    picks, taken = [], ~open_
    for score in (here, most):
        value, neuron = score.masked_fill(taken, -torch.inf).topk(count, 1)
        picks.append(torch.where(value > -torch.inf, neuron, -torch.ones_like(neuron)))
        taken = taken.scatter(1, neuron, True)
    return torch.cat(picks, 1)
