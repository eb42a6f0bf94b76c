"""CROWN with optimised slopes and split multipliers (Xu et al. 2021, arXiv 2011.13824; Wang et al. 2021)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from retrace.verify.bounds import crown, interval
from retrace.verify.bounds.dual import Evaluation, Splits, evaluate, flat, value
from retrace.verify.bounds.interval import Bounds
from retrace.verify.bounds.relaxation import relax, unstable
from retrace.verify.bounds.rounding import slack
from retrace.verify.bounds.wanted import Bounder, Rows
from retrace.verify.domain import Box
from retrace.verify.network import Network
from retrace.verify.specification import margin_rows

DECAY, FIRST, SECOND, TINY = 0.98, 0.9, 0.999, 1e-8  # of the step, and Adam's own constants


@dataclass(frozen=True)
class Solution:
    """The best bound (n, rows) met, its slopes (n, rows, hidden) and multipliers, and the last evaluation."""

    bound: Tensor
    alpha: Tensor
    beta: Tensor | None
    last: Evaluation

    def take(self, index: Tensor) -> Solution:
        """Of the boxes numbered in `index`."""
        beta = None if self.beta is None else self.beta[index]
        return Solution(self.bound[index], self.alpha[index], beta, self.last.take(index))


class _Adam:
    """Projected ascent by Adam on one tensor."""

    def __init__(self, rate: float, device: torch.device) -> None:
        self.rate, self.count = rate, 0
        self.first = self.second = torch.zeros((), device=device)

    def step(self, value: Tensor, gradient: Tensor, high: float | None) -> Tensor:
        self.count += 1
        self.first = FIRST * self.first + (1 - FIRST) * gradient
        self.second = SECOND * self.second + (1 - SECOND) * gradient * gradient
        size = self.rate * DECAY ** (self.count - 1) / (1 - FIRST**self.count)
        root = (self.second / (1 - SECOND**self.count)).sqrt_().add_(TINY)
        return torch.addcdiv(value, self.first, root, value=size).clamp_(0, high)

    def take(self, index: Tensor) -> None:
        """Go on with these boxes only."""
        if self.count:
            self.first, self.second = self.first[index], self.second[index]


def optimise(
    net: Network,
    node: int,
    rows: Tensor,
    low: Tensor,
    high: Tensor,
    region: Box,
    *,
    iterations: int,
    alpha: Tensor | None = None,
    splits: Splits | None = None,
    beta: Tensor | None = None,
    rates: tuple[float, float] = (0.1, 0.05),
    until: float = torch.inf,
) -> Solution:
    """Raise the lower bound of rows . value(node) by `iterations` steps on slopes and multipliers.

    `rows` (n or 1, rows, *shape); `low` and `high` (n, hidden) bound the ReLU inputs, splits clipped in;
    `alpha` (n, rows, hidden) and `beta` (n, depth) warm-start it. A box is left alone once all its bounds
    exceed `until`; the result is never below the bound at the start.
    """
    base = relax(low, high)  # lines (n, 1, hidden)
    open_ = unstable(low, high)[:, None]  # (n, 1, hidden)
    if alpha is None:
        alpha = base.low.expand(len(low), rows.shape[1], -1)
    alpha = torch.where(open_, alpha, base.low)  # (n, rows, hidden)
    if splits is not None and beta is None:
        beta = torch.zeros_like(splits.sign, dtype=low.dtype)
    slopes, weights = _Adam(rates[0], low.device), _Adam(rates[1], low.device)
    best: Solution | None = None
    here, done = torch.arange(len(low), device=low.device), list[tuple[Tensor, Solution]]()
    for turn in range(iterations + 1):
        found = evaluate(net, node, rows, replace(base, low=alpha), region, splits, beta)
        best = _better(best, Solution(found.bound, alpha, beta, found))
        over = (best.bound > until).all(1)  # (n,)
        if turn == iterations or bool(over.all()):
            break
        if 4 * int(over.sum()) >= len(over):  # worth the copies
            out, left = over.nonzero()[:, 0], (~over).nonzero()[:, 0]
            done.append((here[out], best.take(out)))
            here, best, found, region = here[left], best.take(left), found.take(left), region.take(left)
            rows = rows if len(rows) == 1 else rows[left]
            base, open_, alpha = base.take(left), open_[left], alpha[left]
            splits = None if splits is None else splits.take(left)
            beta = None if beta is None else beta[left]
            slopes.take(left)
            weights.take(left)
        slope = found.coefficients.clamp(min=0) * found.values * open_  # (n, rows, hidden)
        alpha = torch.where(open_, slopes.step(alpha, slope, 1.0), base.low)
        if splits is not None and beta is not None:
            pull = -splits.sign.to(beta.dtype) * found.values[:, 0].gather(1, splits.neuron)  # (n, depth)
            beta = weights.step(beta, pull, None)
    assert best is not None
    return _joined([*done, (here, best)])


def _better(best: Solution | None, new: Solution) -> Solution:
    if best is None:
        return new
    gain = new.bound > best.bound
    alpha = torch.where(gain[:, :, None], new.alpha, best.alpha)
    beta = None
    if new.beta is not None and best.beta is not None:
        beta = torch.where(gain, new.beta, best.beta)  # one row per box: gain is (n, 1)
    return Solution(torch.maximum(best.bound, new.bound), alpha, beta, new.last)


def _joined(parts: list[tuple[Tensor, Solution]]) -> Solution:
    """Solutions of some boxes each as one of all boxes, in order."""
    if len(parts) == 1:
        return parts[0][1]
    order = torch.cat([index for index, _ in parts]).argsort()
    every = [s for _, s in parts]
    betas = [s.beta for s in every if s.beta is not None]
    last = [torch.cat([getattr(s.last, f.name) for s in every]) for f in fields(Evaluation)]
    bound, alpha = torch.cat([s.bound for s in every]), torch.cat([s.alpha for s in every])
    joined = Solution(bound, alpha, torch.cat(betas) if betas else None, Evaluation(*last))
    return joined.take(order)


def preactivations(net: Network, region: Box, iterations: int, seconds: float = math.inf) -> list[Bounds]:
    """`crown.preactivations` with the slopes of every neuron's own bounds optimised in `iterations` steps.

    The search is in float32, the bound in the network's precision; never looser than CROWN's, which is what
    is left of neurons whose turn comes when a box has taken its `seconds` of CPU time.
    """
    if not iterations:
        return crown.preactivations(net, region)
    parts = []
    for some in crown.chunks(net, region):
        bounder = _optimising(iterations, time.process_time() + seconds * len(some))
        parts.append(crown.preactivations(net, region.take(some), bounder))
    return crown.joined(parts)


def _optimising(iterations: int, until: float) -> Bounder:
    """What bounds neurons with slopes of their own, up to a time by the process's clock."""

    def bounder(net: Network, node: int, known: list[Bounds], region: Box) -> Rows:
        single, (low, high) = torch.float32, flat(known)
        quick, ends, inside = net.to(single), (low.to(single), high.to(single)), region.to(single)
        plain, error = crown.bound_rows(net, node, known, region), slack(net, node, known, region)

        def bound(rows: Tensor) -> Tensor:
            if time.process_time() >= until:
                return plain(rows)
            found = optimise(quick, node, rows.to(single), *ends, inside, iterations=iterations)
            line = relax(low, high, found.alpha.to(low.dtype))
            return torch.maximum(value(net, node, rows, line, region, slack=error), plain(rows))

        return bound

    return bounder


def margins(
    net: Network, region: Box, labels: Tensor, *, iterations: int = 20, known: list[Bounds] | None = None
) -> Tensor:
    """Lower bounds (n, classes - 1) of z_y - z_c, the slopes of each margin optimised on their own.

    Bounds of hidden neurons are CROWN's unless `known`; never below `crown.margins` with the same.
    """
    if known is None:
        known = crown.preactivations(net, region)
    rows = margin_rows(labels, net.classes).to(region.lower.dtype)
    plain = interval.margins(net, region, labels)
    if not known:
        return torch.maximum(plain, crown.margins(net, region, labels, known=known))
    parts = []
    for some in crown.chunks(net, region):
        near, here = [(b[0][some], b[1][some]) for b in known], region.take(some)
        low, high = flat(near)
        found = optimise(net, net.output, rows[some], low, high, here, iterations=iterations)
        line, error = relax(low, high, found.alpha), slack(net, net.output, near, here)
        parts.append(value(net, net.output, rows[some], line, here, slack=error))
    return torch.maximum(torch.cat(parts), plain)
