"""What must never happen: inputs of a box whose outputs satisfy linear inequalities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from retrace.verify.builder import Builder
from retrace.verify.domain import Box, box
from retrace.verify.layers import Dense, Shape
from retrace.verify.lower import largest
from retrace.verify.network import Network


@dataclass(frozen=True)
class Case:
    """One way to be unsafe: an input from `lower` to `upper` (inputs,) with rows @ outputs <= right.

    `rows` (k, outputs) and `right` (k,) are a conjunction; several cases are a disjunction. All float64.
    Errors: ValueError for a box that is empty or not finite, or no row.
    """

    lower: Tensor
    upper: Tensor
    rows: Tensor
    right: Tensor

    def __post_init__(self) -> None:
        box(self.lower, self.upper)
        if not len(self.rows) or self.rows.shape[:1] != self.right.shape:
            raise ValueError(
                "a case needs a row of output coefficients for every right-hand side, at least 1"
            )

    def holds(self, outputs: Tensor) -> bool:
        """Whether the outputs (outputs,) are unsafe."""
        return bool((self.rows @ outputs.double() <= self.right).all())


@dataclass(frozen=True)
class Question:
    """All cases of one box, as two networks on it.

    `gaps` (float64) has an output rows . outputs - right for every row; `ways` (k, cases) numbers those of
    each case, the last repeated: a case comes true where all of its gaps are 0 or less. The logits of
    `race` are 0 and the negative of each case's largest gap: class 0 wins where nothing is unsafe.
    """

    cases: list[Case]
    region: Box
    gaps: Network
    race: Network
    ways: Tensor


def questions(net: Network, cases: list[Case]) -> list[Question]:
    """The cases by box, in order of first appearance.

    Errors: ValueError for cases that do not fit the inputs and outputs of the network.
    """
    by_box: dict[tuple[float, ...], list[Case]] = {}
    for case in cases:
        _fits(net, case)
        by_box.setdefault((*case.lower.tolist(), *case.upper.tolist()), []).append(case)
    return [_question(net, some) for some in by_box.values()]


def _fits(net: Network, case: Case) -> None:
    inputs = int(torch.tensor(net.input_shape).prod())
    if len(case.lower) != inputs or case.rows.shape[1] != net.classes:
        raise ValueError(
            f"the property has {len(case.lower)} inputs and {case.rows.shape[1]} outputs, the network"
            f" {inputs} and {net.classes}"
        )


def _question(net: Network, cases: list[Case]) -> Question:
    exact = net.to(torch.float64)
    builder = Builder.onto(exact)
    layer = Dense(torch.cat([c.rows for c in cases]), -torch.cat([c.right for c in cases]))
    builder.append(layer, (exact.output,), "the property")
    gaps = builder.network(torch.float64)
    most = max(len(c.right) for c in cases)
    ways = _ways(cases, most)
    worst = largest(builder, gaps.output, ways, (len(cases),), "the property")
    flip = torch.cat([torch.zeros(1, len(cases)), -torch.eye(len(cases))]).double()
    builder.append(Dense(flip, torch.zeros(len(cases) + 1).double()), (worst,), "the property")
    shape: Shape = exact.input_shape
    region = Box(cases[0].lower.reshape(1, *shape), cases[0].upper.reshape(1, *shape))
    return Question(cases, region, gaps, builder.network(torch.float64), ways)


def _ways(cases: list[Case], most: int) -> Tensor:
    """Numbers (most, cases) of each case's rows in the list of all, the last one repeated."""
    columns, start = [], 0
    for case in cases:
        columns.append(start + torch.arange(most).clamp(max=len(case.right) - 1))
        start += len(case.right)
    return torch.stack(columns, 1)
