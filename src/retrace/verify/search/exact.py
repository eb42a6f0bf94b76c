"""Exact margins of tiny networks by mixed-integer programming (Tjeng et al. 2019, arXiv 1711.07356)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix, vstack
from torch import Tensor

from retrace.verify.bounds import interval
from retrace.verify.domain import Box
from retrace.verify.layers import Add, Affine, Relu
from retrace.verify.network import Network
from retrace.verify.specification import margin_rows


@dataclass
class _Program:
    """Variables with bounds, and rows `matrix @ v <= right`."""

    low: list[float]
    high: list[float]
    whole: list[int]
    rows: list[tuple[np.ndarray, float]]

    def add(self, low: float, high: float, whole: bool = False) -> int:
        self.low.append(low)
        self.high.append(high)
        self.whole.append(int(whole))
        return len(self.low) - 1


def minimum(net: Network, region: Box, row: Tensor, seconds: float = 60.0) -> tuple[float, Tensor]:
    """The smallest row . logits over one box, and an input (1, *input_shape) that reaches it.

    Every node is a dense matrix and every unstable ReLU a binary variable: for networks of a few dozen
    neurons. `row` (classes,); HiGHS's tolerances of about 1e-6 apply.
    Errors: ValueError for more than one box; RuntimeError if HiGHS does not finish within `seconds`.
    """
    if len(region) != 1:
        raise ValueError(f"{len(region)} boxes: the exact minimum takes one at a time")
    host, device = torch.device("cpu"), region.lower.device  # HiGHS reads arrays of the host
    net, region, row = net.to(torch.float64, host), region.to(torch.float64, host), row.to(host)
    known = interval.bounds(net, region)
    program = _Program(region.lower.flatten().tolist(), region.upper.flatten().tolist(), [], [])
    program.whole = [0] * len(program.low)
    count = len(program.low) + 2 * sum(math.prod(net.shape(k)) for k in net.relus)
    values = [_Expression(np.eye(len(program.low), count), np.zeros(len(program.low)))]
    for node in net.nodes:
        given = values[node.inputs[0]]
        if isinstance(node.operation, Relu):
            low, high = (t.flatten().numpy() for t in known[node.inputs[0]])
            values.append(_relu(program, given, low, high, count))
        elif isinstance(node.operation, Add):
            other = values[node.inputs[1]]
            values.append(_Expression(given.matrix + other.matrix, given.constant + other.constant))
        else:
            matrix, bias = _dense(node.operation, net.shape(node.inputs[0]), node.shape)
            values.append(_Expression(matrix @ given.matrix, matrix @ given.constant + bias))
    goal = row.double().numpy() @ values[-1].matrix
    used = len(program.low)
    limits = [csr_matrix(np.stack([r[:used] for r, _ in program.rows]))] if program.rows else []
    constraints = (
        [LinearConstraint(vstack(limits), ub=np.array([b for _, b in program.rows]))] if limits else []
    )
    found = milp(
        goal[:used],
        integrality=np.array(program.whole),
        bounds=Bounds(program.low, program.high),
        constraints=constraints,
        options={"time_limit": seconds, "mip_rel_gap": 0.0},
    )
    if found.status != 0:
        raise RuntimeError(
            f"HiGHS did not finish ({found.message}); give it a smaller network or more seconds"
        )
    inputs = torch.from_numpy(found.x[: math.prod(net.input_shape)]).reshape(1, *net.input_shape)
    return float(found.fun + row.double().numpy() @ values[-1].constant), inputs.to(device)


def margins(net: Network, region: Box, labels: Tensor, seconds: float = 60.0) -> Tensor:
    """Exact margins (n, classes - 1) of z_y - z_c over n boxes, c in rising order; see `minimum`."""
    rows = margin_rows(labels, net.classes)
    return torch.tensor(
        [
            [
                minimum(net, region.take(torch.tensor([k], device=labels.device)), row, seconds)[0]
                for row in rows[k]
            ]
            for k in range(len(region))
        ],
        dtype=torch.float64,
        device=labels.device,
    )


@dataclass(frozen=True)
class _Expression:
    matrix: np.ndarray  # (entries, variables)
    constant: np.ndarray  # (entries,)


def _relu(
    program: _Program, given: _Expression, low: np.ndarray, high: np.ndarray, count: int
) -> _Expression:
    matrix, constant = np.zeros_like(given.matrix), np.zeros_like(given.constant)
    for k in range(len(low)):
        if low[k] >= 0:
            matrix[k], constant[k] = given.matrix[k], given.constant[k]
        elif high[k] > 0:
            y, on = program.add(0.0, float(high[k])), program.add(0, 1, whole=True)
            unit_y, unit_on = np.eye(1, count, y)[0], np.eye(1, count, on)[0]
            program.rows += [
                (given.matrix[k] - unit_y, -given.constant[k]),  # y >= z
                (
                    unit_y - given.matrix[k] - low[k] * unit_on,
                    given.constant[k] - low[k],
                ),  # y <= z - l (1 - on)
                (unit_y - high[k] * unit_on, 0.0),  # y <= u on
            ]
            matrix[k] = unit_y
    return _Expression(matrix, constant)


def _dense(
    operation: Affine, before: tuple[int, ...], after: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    host = torch.device("cpu")
    eye = torch.eye(math.prod(after), dtype=torch.float64, device=host).reshape(-1, *after)
    bias = operation.apply(torch.zeros(1, *before, dtype=torch.float64, device=host))
    return operation.pull(eye, before).flatten(1).numpy(), bias.flatten().numpy()
