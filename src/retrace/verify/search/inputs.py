"""Complete verification by splitting the input box: best where there are few inputs."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from retrace.verify.bounds import crown
from retrace.verify.bounds.backward import backward
from retrace.verify.bounds.relaxation import relax
from retrace.verify.bounds.rounding import slack
from retrace.verify.domain import Box
from retrace.verify.network import Network


@dataclass(frozen=True)
class Found:
    """`example` (*input_shape) or None; `left`: parts that nothing settled; `domains` were bounded."""

    example: Tensor | None
    left: int
    domains: int


def search(net: Network, region: Box, ways: Tensor, *, until: float, domains: int, batch: int = 512) -> Found:
    """Whether a box holds an input at which all outputs ways[:, k] of a float64 network are 0 or less.

    `ways` (rows, cases). Parts of the box are bounded by CROWN in float64, `batch` together; one is done with
    once every case has an output above 0 on it. Others are halved along the input that moves the bounds of
    open cases most, wide ones first (coefficient x width x share of the whole width left). Stops past
    `until` (`time.monotonic()`) or `domains` parts.
    """
    parts, count, stuck = [region], 0, 0
    whole = (region.upper - region.lower).flatten(1).clamp(min=torch.finfo(torch.float64).tiny)  # (1, inputs)
    while parts and time.monotonic() < until and count < domains:
        some = _joined(parts, batch)
        count += len(some)
        bounds, slopes, corners = _bound(net, some, ways)
        open_ = ~(bounds > 0)  # (n, cases): no NaN is taken for a proof
        left = open_.any(1).nonzero()[:, 0]
        points = torch.cat([corners[left].flatten(0, 1), some.take(left).centre])
        if len(left) and (hit := _unsafe(net, points, ways)) is not None:
            return Found(hit, 0, count)
        share = (some.upper - some.lower).flatten(1) / whole
        worth = ((slopes * open_[:, :, None]).amax(1) * share)[left]  # (n, inputs)
        halves, small = _halves(some.take(left), worth)
        stuck += small
        if len(halves):
            parts.append(halves)
    return Found(None, stuck + sum(len(p) for p in parts), count)


def _joined(parts: list[Box], batch: int) -> Box:
    """The last boxes, at most `batch`, taken off the pile."""
    taken: list[Box] = []
    room = batch
    while parts and room:
        last = parts.pop()
        split = max(0, len(last) - room)
        if split:
            parts.append(Box(last.lower[:split], last.upper[:split]))
        taken.append(Box(last.lower[split:], last.upper[split:]))
        room -= len(last) - split
    return Box(torch.cat([b.lower for b in taken]), torch.cat([b.upper for b in taken]))


def _bound(net: Network, some: Box, ways: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For n boxes the best bound of a row of each case (n, cases); |coefficient| x width of that row
    (n, cases, inputs), and where its line is least (n, cases, *input_shape)."""
    known = crown.preactivations(net, some)
    kept: dict[int, Tensor] = {}
    rows = torch.eye(net.classes, dtype=torch.float64, device=some.lower.device)[None]
    lines, error = [relax(low, high) for low, high in known], slack(net, net.output, known, some)
    bound = backward(net, net.output, rows, lines, some, kept=kept, slack=error)  # (n, rows)
    bound = bound.nan_to_num(nan=-torch.inf, posinf=-torch.inf)  # overflow proves nothing
    best = bound[:, ways]  # (n, rows of a case, cases)
    value, place = best.max(1)
    chosen = ways[place, torch.arange(ways.shape[1], device=place.device)]  # (n, cases)
    every = kept[0].expand(len(some), *kept[0].shape[1:])
    slope = every[torch.arange(len(some), device=chosen.device)[:, None], chosen]
    width = some.upper - some.lower
    corner = torch.where(slope > 0, some.lower[:, None], some.upper[:, None])
    return value, (slope.abs() * width[:, None]).flatten(2), corner


def _unsafe(net: Network, points: Tensor, ways: Tensor) -> Tensor | None:
    unsafe = (net(points)[:, ways] <= 0).all(1).any(1)
    return points[int(unsafe.nonzero()[0, 0])] if bool(unsafe.any()) else None


def _halves(some: Box, worth: Tensor) -> tuple[Box, int]:
    """Both halves of every box, and how many boxes have no number between their ends."""
    low, high = some.lower.flatten(1), some.upper.flatten(1)
    middle = (low + high) / 2
    room = (low < middle) & (middle < high)
    score = torch.where(room, worth.nan_to_num(nan=torch.inf) + 1e-9 * (high - low), -1.0)
    axis, able = score.argmax(1, keepdim=True), room.any(1)
    upper = high.scatter(1, axis, middle.gather(1, axis))
    lower = low.scatter(1, axis, middle.gather(1, axis))
    shape = some.lower.shape[1:]
    ends = torch.cat([low[able], lower[able]]), torch.cat([upper[able], high[able]])
    return Box(*(e.reshape(-1, *shape) for e in ends)), int((~able).sum())
