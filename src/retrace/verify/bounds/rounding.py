"""What a float64 bound may be off by, as a share of the sum of the |terms| it adds up (Higham 2002, 3.1).

A sum of n products computed in any order is off by at most about n u times the sum of their absolute values,
u half of epsilon. Bounds in float64 are lowered by that, so that they hold in real arithmetic (short of
underflow); those in float32 are for a search, or to be read as rounded.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from retrace.verify.domain import Box
from retrace.verify.layers import Add, Relu
from retrace.verify.network import Network

Ends = tuple[Tensor, Tensor]
ROOM = 8  # roundings of a line, of a box's middle and radius, and of the allowance itself


def unit(net: Network, dtype: torch.dtype) -> float:
    """The largest error of a bound as a share of its sum of |terms|: epsilon by the longest sum, twice that
    which theory asks for; 0 in float32."""
    if dtype != torch.float64:
        return 0.0
    longest = max(math.prod(net.shape(k)) for k in range(net.output + 1))
    return torch.finfo(dtype).eps * (longest + len(net.nodes) + ROOM)


def largest(ends: Ends) -> Tensor:
    """The largest absolute value between two ends."""
    return torch.maximum(ends[0].abs(), ends[1].abs())


def slack(net: Network, node: int, known: list[Ends], region: Box) -> list[Tensor] | None:
    """For each node up to `node` what a coefficient of 1 on it adds to the error of a backward pass.

    (n, *shape) each; `known` are the bounds of the ReLU inputs in order. None in float32: no allowance.
    """
    share = unit(net, region.lower.dtype)
    if not share:
        return None
    order = {relu: k for k, relu in enumerate(net.relus)}
    sizes = [largest((region.lower, region.upper))]  # of each value
    found = [share * sizes[0]]
    for number in range(1, node + 1):
        here = net.nodes[number - 1]
        size = sizes[here.inputs[0]]
        if isinstance(here.operation, Relu):
            low, high = known[order[number]]
            found.append(share * torch.where(high > 0, largest((low, high)), torch.zeros_like(high)))
            sizes.append(high.relu())
            continue
        size = size + sizes[here.inputs[1]] if isinstance(here.operation, Add) else here.operation.size(size)
        found.append(share * size)
        sizes.append(size)
    return found
