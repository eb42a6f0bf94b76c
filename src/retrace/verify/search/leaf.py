"""A domain without unstable neurons: the network is affine there, so a linear program settles it."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor

from retrace.verify.bounds.backward import backward
from retrace.verify.bounds.dual import Splits, hidden_sizes
from retrace.verify.bounds.relaxation import Relaxation
from retrace.verify.domain import Box
from retrace.verify.network import Network


def solve(
    net: Network, row: Tensor, lines: list[Relaxation], region: Box, splits: Splits
) -> tuple[Tensor | None, Tensor]:
    """The input (1, *input_shape) with the smallest row . logits on the domain, and the split multipliers.

    One box, `splits` (1, depth), lines of exact ReLUs, row (classes,). The input is None where the domain is
    empty (by HiGHS's tolerance, 1e-7); the multipliers (1, depth) are then zeros. With the multipliers
    `dual.evaluate` gives a bound that does not rest on the solver's tolerances.
    """
    neurons = splits.neuron[0][splits.sign[0] != 0]
    signs = splits.sign[0][splits.sign[0] != 0].to(row.dtype)
    goal, _ = _affine(net, net.output, row[None, None], lines, region)
    matrix = np.zeros((len(neurons), goal.shape[1]))
    right = np.zeros(len(neurons))
    start = 0
    for relu, size in zip(net.relus, hidden_sizes(net, net.output), strict=True):
        chosen = ((neurons >= start) & (neurons < start + size)).nonzero()[:, 0]
        if len(chosen):
            rows = row.new_zeros(len(chosen), size)
            rows[torch.arange(len(chosen), device=row.device), neurons[chosen] - start] = -signs[chosen]
            source = net.source(relu)
            a, d = _affine(net, source, rows.reshape(1, -1, *net.shape(source)), lines, region)
            matrix[chosen.tolist()], right[chosen.tolist()] = a, -d
        start += size
    ends = list(zip(region.lower.flatten().tolist(), region.upper.flatten().tolist(), strict=True))
    found = linprog(goal[0], A_ub=matrix, b_ub=right, bounds=ends, method="highs")
    beta = row.new_zeros(splits.sign.shape)
    if found.x is None:
        return None, beta
    beta[splits.sign != 0] = torch.from_numpy(-found.ineqlin.marginals).to(row).clamp(min=0)
    x = torch.from_numpy(found.x).to(row).reshape(region.lower.shape)
    return torch.minimum(torch.maximum(x, region.lower), region.upper), beta


def _affine(
    net: Network, node: int, rows: Tensor, lines: list[Relaxation], region: Box
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (rows, inputs) and constants (rows,) of rows . value(node) as a function of the input."""
    kept: dict[int, Tensor] = {}
    origin = Box(torch.zeros_like(region.lower), torch.zeros_like(region.lower))
    constant = backward(net, node, rows, lines, origin, kept=kept)
    return kept[0][0].flatten(1).cpu().numpy(), constant[0].cpu().numpy()
