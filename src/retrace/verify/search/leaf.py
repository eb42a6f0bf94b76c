"""A domain without unstable neurons: the network is affine there, so a linear program settles it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor

from retrace.verify.bounds.backward import backward
from retrace.verify.bounds.dual import Splits, hidden_sizes
from retrace.verify.bounds.relaxation import Relaxation
from retrace.verify.domain import Box
from retrace.verify.network import Network

SOLVED, INFEASIBLE = 0, 2  # statuses of scipy's linprog; any other settles nothing


@dataclass(frozen=True)
class Solved:
    """Whether HiGHS showed the domain empty, the input (1, *input_shape) or None, multipliers (1, depth)."""

    empty: bool
    x: Tensor | None
    beta: Tensor


def solve(
    net: Network,
    row: Tensor,
    lines: list[Relaxation],
    region: Box,
    splits: Splits,
    slack: list[Tensor] | None = None,
) -> Solved:
    """The input with the smallest row . logits on the domain, and the split multipliers.

    One box, `splits` (1, depth), lines of exact ReLUs, row (classes,). Splits are loosened by `slack`
    (`rounding.slack`) and their rows brought to a largest coefficient of 1, to which HiGHS's tolerance of
    1e-7 refers. With the multipliers `dual.value` gives a bound that does not rest on that.
    """
    neurons = splits.neuron[0][splits.sign[0] != 0]
    signs = splits.sign[0][splits.sign[0] != 0].to(row.dtype)
    goal, _ = _affine(net, net.output, row[None, None], lines, region, slack)
    matrix = np.zeros((len(neurons), goal.shape[1]))
    right = np.zeros(len(neurons))
    start = 0
    for relu, size in zip(net.relus, hidden_sizes(net, net.output), strict=True):
        chosen = ((neurons >= start) & (neurons < start + size)).nonzero()[:, 0]
        if len(chosen):
            rows = row.new_zeros(len(chosen), size)
            rows[torch.arange(len(chosen), device=row.device), neurons[chosen] - start] = -signs[chosen]
            source = net.source(relu)
            a, d = _affine(net, source, rows.reshape(1, -1, *net.shape(source)), lines, region, slack)
            matrix[chosen.tolist()], right[chosen.tolist()] = a, -d
        start += size
    ends = list(zip(region.lower.flatten().tolist(), region.upper.flatten().tolist(), strict=True))
    beta = row.new_zeros(splits.sign.shape)
    scale = np.abs(matrix).max(1, initial=0.0)
    scale[scale == 0] = 1.0
    if not all(np.isfinite(each).all() for each in (goal, matrix, right)):  # an overflow
        return Solved(False, None, beta)
    found = linprog(goal[0], matrix / scale[:, None], right / scale, bounds=ends, method="highs")
    if found.status != SOLVED or found.x is None:
        return Solved(found.status == INFEASIBLE, None, beta)
    beta[splits.sign != 0] = torch.from_numpy(-found.ineqlin.marginals / scale).to(row).clamp(min=0)
    x = torch.from_numpy(found.x).to(row).reshape(region.lower.shape)
    return Solved(False, torch.minimum(torch.maximum(x, region.lower), region.upper), beta)


def _affine(
    net: Network,
    node: int,
    rows: Tensor,
    lines: list[Relaxation],
    region: Box,
    slack: list[Tensor] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (rows, inputs) and constants (rows,): a lower bound of rows . value(node), tight but for
    rounding."""
    kept: dict[int, Tensor] = {}
    origin = Box(torch.zeros_like(region.lower), torch.zeros_like(region.lower))
    constant = backward(net, node, rows, lines, origin, kept=kept, slack=slack)
    return kept[0][0].flatten(1).cpu().numpy(), constant[0].cpu().numpy()
