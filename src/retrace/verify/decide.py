"""Whether a network can be unsafe: any boxes of inputs, any linear inequalities on outputs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from retrace.verify import falsify
from retrace.verify.domain import Box
from retrace.verify.layers import Scale
from retrace.verify.network import Network, Node
from retrace.verify.outcome import Limits
from retrace.verify.property import Case, Question, questions
from retrace.verify.rearrange import Rearrange
from retrace.verify.search import inputs
from retrace.verify.search.bounding import Search
from retrace.verify.search.queue import Queue

FEW = 10  # inputs of some width up to which their box is split, instead of ReLUs
Answered = Literal["sat", "unsat", "unknown", "timeout"]
Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Answer:
    """`status` in VNN-COMP's words: an unsafe input exists ("sat"), none does, not decided, out of time.

    `example` (inputs,) and its `outputs` (outputs,) for "sat" alone; `note` says why it is "unknown".
    """

    status: Answered
    example: Tensor | None = None
    outputs: Tensor | None = None
    note: str = ""


def decide(
    net: Network,
    cases: list[Case],
    *,
    seconds: float = math.inf,
    limits: Limits | None = None,
    run: Run | None = None,
) -> Answer:
    """Whether an input makes one of the cases true.

    Attack; then, where at most `FEW` inputs have any width, the box is split (`search.inputs`), else ReLUs
    as in `search.complete`. "unsat" rests on float64 bounds; "sat" is said only of an input that `run`
    (float32 inputs (inputs,) to outputs (outputs,); default: the network in float64) puts into a case.
    `seconds` is time on the wall, looked at between batches; `limits` has the `domains` of each box.
    Errors: ValueError for cases that do not fit the network, or none.
    """
    if not cases:
        raise ValueError("no case to decide: give at least one")
    until = time.monotonic() + seconds
    limits = limits or Limits()
    asked = questions(net, cases)
    missed = False
    for one in asked:
        for point in _attacked(one, limits):
            answer = _confirmed(net, one, point, run)
            if answer is not None:
                return answer
            missed = True
        if time.monotonic() >= until:
            return Answer("timeout")
    undecided = False
    for one in asked:
        found, left = _search(one, limits, until)
        if found is not None:
            answer = _confirmed(net, one, found, run)
            if answer is not None:
                return answer
            missed = True
        undecided |= left
    if missed:
        return Answer("unknown", note="an unsafe input in real arithmetic is a safe one in float32")
    if undecided:
        return Answer("timeout" if time.monotonic() >= until else "unknown", note="the search gave up")
    return Answer("unsat")


def _search(one: Question, limits: Limits, until: float) -> tuple[Tensor | None, bool]:
    """An unsafe input (1, *input_shape) or None, and whether something is left undecided."""
    active = int((one.region.upper > one.region.lower).sum())
    if active <= FEW or not one.gaps.relus:
        found = inputs.search(one.gaps, one.region, one.ways, until=until, domains=limits.domains)
        return (None if found.example is None else found.example[None]), bool(found.left)
    queue, search = Queue(1, limits), Search(one.race, one.region, _zero(), limits)
    for proved, batch in search.roots():
        if time.monotonic() >= until:
            return None, True
        queue.prove(proved)
        for domain, example in search.bound(batch, limits.first) if batch else ():
            queue.settle(domain, example)
    while time.monotonic() < until and (domains := queue.pop()):
        for domain, example in search.bound(search.children(domains), limits.iterations):
            queue.settle(domain, example)
        queue.charge([d.image for d in domains], 0.0)
    (end,) = queue.outcomes()
    return (None if end.example is None else end.example[None]), end.status == "unknown"


def _zero() -> Tensor:
    return torch.zeros(1, dtype=torch.long)


def _attacked(one: Question, limits: Limits) -> list[Tensor]:
    """The centre (1, *input_shape), or what projected gradient descent found, where unsafe in float64."""
    centre = one.region.centre
    starts = [centre]
    if not bool(falsify.broken(one.race, centre, _zero()).any()):
        unit = _on_unit_box(one.race, one.region)
        middle = torch.full_like(centre, 0.5, dtype=torch.float32)
        options = {"steps": limits.steps, "restarts": limits.restarts, "seed": limits.seed}
        found = falsify.pgd(unit.to(torch.float32), middle, _zero(), 0.5, **options)
        width = one.region.upper - one.region.lower
        point = one.region.lower + found.examples.double() * width
        starts = [torch.minimum(torch.maximum(point, one.region.lower), one.region.upper)]
    return [x for x in starts if bool(falsify.broken(one.race, x, _zero()).any())]


def _on_unit_box(net: Network, region: Box) -> Network:
    """The network of u in [0, 1] at lower + u (upper - lower): attacks take balls of one radius."""
    shape, size = net.input_shape, math.prod(net.input_shape)
    every = torch.arange(size)
    low, width = region.lower.flatten(), (region.upper - region.lower).flatten()
    first = [
        Node(Rearrange(every, (size,)), (0,), (size,)),
        Node(Scale(width, low), (1,), (size,)),
        Node(Rearrange(every, shape), (2,), shape),
    ]
    later = [replace(node, inputs=tuple(k + len(first) for k in node.inputs)) for node in net.nodes]
    return Network((*first, *later), shape)


def _confirmed(net: Network, one: Question, point: Tensor, run: Run | None) -> Answer | None:
    """ "sat" if the network itself puts the point (1, *input_shape) into a case of the box."""
    if run is None:
        x = point.flatten().double()
        outputs = net.to(torch.float64)(point.double())[0]
    else:
        x = _single(point.flatten(), one.region.lower.flatten(), one.region.upper.flatten())
        outputs = run(x.float())
    if any(case.holds(outputs) for case in one.cases):
        return Answer("sat", x, outputs.double())
    return None


def _single(x: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """The float32 number next to each entry (inputs,) inside its ends; the nearest where there is none."""
    near = x.float()
    up, down = (torch.nextafter(near, torch.full_like(near, end)) for end in (torch.inf, -torch.inf))
    inward = torch.where(near.double() < lower, up, torch.where(near.double() > upper, down, near))
    inside = (inward.double() >= lower) & (inward.double() <= upper)
    return torch.where(inside, inward, near).double()
