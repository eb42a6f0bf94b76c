"""CROWN and CROWN-IBP bounds, batched over images and rows (Zhang et al. 2018 and 2020, arXiv 1906.06316)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from retrace.verify.blocks import entries
from retrace.verify.bounds import interval
from retrace.verify.bounds.backward import backward
from retrace.verify.bounds.interval import Bounds
from retrace.verify.bounds.patches import patches
from retrace.verify.bounds.relaxation import relax, unstable
from retrace.verify.bounds.rounding import slack, unit
from retrace.verify.bounds.wanted import BLOCK, Bounder, Rows, wanted_bounds
from retrace.verify.domain import Box
from retrace.verify.network import Network
from retrace.verify.specification import margin_rows

Intermediate = Literal["crown", "interval"]
CHUNK = 4_000_000  # entries of all rows of the images bounded together


def bound_rows(net: Network, node: int, known: list[Bounds], region: Box) -> Rows:
    """What takes rows (n or 1, rows, *shape) to CROWN's lower bounds (n, rows) of rows . value(node).

    `known` are the bounds of the ReLU inputs up to the node, in order.
    """
    lines = [relax(low, high) for low, high in known]
    error = slack(net, node, known, region)
    return lambda rows: backward(net, node, rows, lines, region, slack=error)


def preactivations(net: Network, region: Box, bounder: Bounder = bound_rows) -> list[Bounds]:
    """CROWN bounds (n, *shape) of the input of every ReLU, in the order of `net.relus`.

    Intervals are carried forward; only neurons that they leave unstable are bounded by a backward pass,
    and the better of the two bounds is kept and carried on. `bounder` may do more than CROWN.
    """
    return joined([_preactivations(net, region.take(rows), bounder) for rows in chunks(net, region)])


def joined(parts: Sequence[list[Bounds]]) -> list[Bounds]:
    """Bounds of some boxes each, ReLU by ReLU, as one of all boxes."""
    return [
        (torch.cat([low for low, _ in each]), torch.cat([high for _, high in each]))
        for each in zip(*parts, strict=True)
    ]


def chunks(net: Network, region: Box) -> list[Tensor]:
    """Numbers of the boxes to bound together, so that temporaries stay near `CHUNK` entries."""
    images, device = len(region), region.lower.device
    widest = max((math.prod(net.shape(k)) for k in net.relus[1:]), default=1)
    together = max(1, entries(device, CHUNK) // (_largest(net) * min(widest, 128)))
    return [
        torch.arange(k, min(k + together, images), device=device) for k in range(0, max(images, 1), together)
    ]


def _largest(net: Network) -> int:
    return max(math.prod(net.shape(k)) for k in range(net.output + 1))


def _preactivations(net: Network, region: Box, bounder: Bounder) -> list[Bounds]:
    found: list[Bounds] = [(region.lower, region.upper)]
    wanted = {net.source(relu) for relu in net.relus}
    known: dict[int, Bounds] = {}
    share = unit(net, region.lower.dtype)
    for number, node in enumerate(net.nodes, 1):
        low, high = interval.step(node, found, share)
        if number in wanted:
            before = [known[net.source(relu)] for relu in net.relus if relu < number]
            if before:
                low, high = _tighten(net, number, before, region, (low, high), bounder)
            known[number] = (low, high)
        found.append((low, high))
    return [known[net.source(relu)] for relu in net.relus]


def _tighten(
    net: Network, number: int, before: list[Bounds], region: Box, given: Bounds, bounder: Bounder
) -> Bounds:
    low, high = given
    open_ = unstable(low, high)  # (n, *shape)
    local = patches(net, number, before, region)
    if local is not None:
        below, above = local.bounds(open_, bounder)
    else:

        def rows_of(neurons: Tensor) -> Tensor:
            rows = functional.one_hot(neurons, math.prod(net.shape(number))).to(low.dtype)
            return torch.cat([rows, -rows], 1).reshape(len(rows), -1, *net.shape(number))

        def bound_of(some: Tensor) -> Rows:
            return bounder(net, number, [(a[some], b[some]) for a, b in before], region.take(some))

        below, above = wanted_bounds(open_.flatten(1), low, _largest(net), rows_of, bound_of)
        below, above = below.reshape(low.shape), above.reshape(low.shape)
    # only what this image leaves open, so that no bound depends on the other images of the batch
    return (
        torch.where(open_, torch.maximum(below, low), low),
        torch.where(open_, torch.minimum(above, high), high),
    )


def margins(
    net: Network,
    region: Box,
    labels: Tensor,
    *,
    intermediate: Intermediate = "crown",
    known: list[Bounds] | None = None,
) -> Tensor:
    """Lower bounds (n, classes - 1) of z_y - z_c for every other class c in rising order.

    `intermediate` says where the bounds of hidden neurons come from: "crown", or "interval" (CROWN-IBP; the
    result is then differentiable in the weights). `known` gives them instead. The larger of the
    backward bound and the interval bound is returned.
    """
    if known is None:
        known = (
            preactivations(net, region) if intermediate == "crown" else interval.preactivations(net, region)
        )
    rows = margin_rows(labels, net.classes).to(region.lower.dtype)  # (n, classes - 1, classes)
    together = max(1, entries(rows.device, BLOCK) // (_largest(net) * rows.shape[1]))
    parts = []
    for some in torch.split(torch.arange(len(region), device=rows.device), together):
        near = [(low[some], high[some]) for low, high in known]
        parts.append(bound_rows(net, net.output, near, region.take(some))(rows[some]))
    return torch.maximum(torch.cat(parts), interval.margins(net, region, labels))
