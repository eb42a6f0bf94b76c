"""Bounding and splitting of domains, many at a time, for all images at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from retrace.verify import falsify
from retrace.verify.bounds import alpha
from retrace.verify.bounds.dual import Splits, clip, cut, flat, value
from retrace.verify.bounds.relaxation import first_slope, relax, unstable
from retrace.verify.bounds.rounding import slack
from retrace.verify.domain import Box
from retrace.verify.network import Network
from retrace.verify.outcome import Limits
from retrace.verify.search import branch, leaf
from retrace.verify.search.queue import Domain
from retrace.verify.specification import margin_rows


@dataclass(frozen=True)
class Batch:
    """Domains as tensors: image and rival (n,), slopes (n, hidden), splits and multipliers (n, depth)."""

    image: Tensor
    rival: Tensor
    alpha: Tensor
    splits: Splits
    beta: Tensor

    def take(self, index: Tensor) -> Batch:
        """The domains numbered in `index`."""
        splits, beta = self.splits.take(index), self.beta[index]
        return Batch(self.image[index], self.rival[index], self.alpha[index], splits, beta)


def gather(domains: list[Domain]) -> Batch:
    """Domains of the queue as one batch, shorter split lists filled up with zeros."""
    depth, device = max(len(d.neurons) for d in domains), domains[0].alpha.device

    def padded(values: list[tuple[float, ...]], dtype: torch.dtype) -> Tensor:
        full = [[*v, *[0] * (depth - len(v))] for v in values]
        return torch.tensor(full, dtype=dtype, device=device).reshape(len(values), depth)

    return Batch(
        torch.tensor([d.image for d in domains], device=device),
        torch.tensor([d.rival for d in domains], device=device),
        torch.stack([d.alpha for d in domains]).float(),
        Splits(
            padded([d.neurons for d in domains], torch.long), padded([d.signs for d in domains], torch.long)
        ),
        padded([d.beta for d in domains], torch.float32),
    )


class Search:
    """The networks, boxes and bounds that every domain shares, in float32 to search and float64 to decide."""

    def __init__(self, net: Network, region: Box, labels: Tensor, limits: Limits) -> None:
        self.limits, self.labels = limits, labels
        self.nets = {dtype: net.to(dtype) for dtype in (torch.float32, torch.float64)}
        self.regions = {dtype: region.to(dtype) for dtype in self.nets}
        rows = margin_rows(labels, net.classes)
        self.rows = {dtype: rows.to(dtype) for dtype in self.nets}
        exact, inside = self.nets[torch.float64], self.regions[torch.float64]
        known = alpha.preactivations(exact, inside, limits.refine)
        self.slack = slack(exact, exact.output, known, inside)
        low, high = flat(known)
        self.known = {dtype: (low.to(dtype), high.to(dtype)) for dtype in self.nets}

    def roots(self) -> Iterator[tuple[dict[int, float], Batch | None]]:
        """Every image against every rival, unsplit, in batches.

        Of each: what plain CROWN proves, image -> its smallest bound, and the domains that it leaves open.
        """
        images, rivals = self.rows[torch.float32].shape[:2]
        low, high = self.known[torch.float32]
        image = torch.arange(images, device=low.device).repeat_interleave(rivals)
        rival = torch.arange(rivals, device=low.device).repeat(images)
        nothing = low.new_zeros(len(image), 0)
        splits = Splits(nothing.long(), nothing.long())
        slopes = first_slope(low, high)[image]
        every = Batch(image, rival, slopes, splits, nothing)
        parts = max(1, len(image) // (2 * self.limits.batch))
        for index in torch.arange(len(image), device=low.device).tensor_split(parts):
            batch = every.take(index)
            plain = self._evaluate(batch, torch.float64)
            proved: dict[int, float] = {}
            for k in (plain > 0).nonzero()[:, 0].tolist():
                number = int(batch.image[k])
                proved[number] = min(proved.get(number, torch.inf), float(plain[k]))
            left = (~(plain > 0)).nonzero()[:, 0]  # so that no NaN is lost
            yield proved, batch.take(left) if len(left) else None

    def children(self, domains: list[Domain]) -> Batch:
        """Both children of every domain, split at the candidate whose worse child has the best bound."""
        parents = gather(domains)
        n, widest = len(domains), max(len(d.choices) for d in domains)
        full, device = (
            [[*d.choices, *[-1] * (widest - len(d.choices))] for d in domains],
            parents.image.device,
        )
        choices = torch.tensor(full, device=device)
        every = parents.take(torch.arange(n, device=device).repeat_interleave(widest))
        tried = _split(every, choices.clamp(min=0).flatten())
        worse = self._evaluate(tried, torch.float32).reshape(2, n, widest).amin(0)
        best = worse.masked_fill(choices < 0, -torch.inf).argmax(1)
        return _split(parents, choices.gather(1, best[:, None])[:, 0])

    def bound(self, batch: Batch, iterations: int) -> list[tuple[Domain, Tensor | None]]:
        """Optimise every domain's bound: its record, and a counter-example (*input_shape) or None."""
        single = torch.float32
        low, high = self._ends(batch, single)
        found = alpha.optimise(
            self.nets[single],
            self.nets[single].output,
            self._rows(batch, single),
            low,
            high,
            self.regions[single].take(batch.image),
            iterations=iterations,
            alpha=batch.alpha[:, None],
            splits=batch.splits,
            beta=batch.beta,
            until=0.0,
        )
        assert found.beta is not None
        solved = replace(batch, alpha=found.alpha[:, 0], beta=found.beta)
        line = relax(low, high, found.alpha)
        choices = branch.candidates(found.last, line, unstable(low, high), self.limits.candidates)
        bounds = found.bound[:, 0].double().nan_to_num(nan=-torch.inf)
        closed = (bounds > 0).nonzero()[:, 0]
        if len(closed):
            bounds[closed] = self._evaluate(solved.take(closed), torch.float64)
        examples = self._broken(batch.image, found.last.example[:, 0])
        return [
            self._record(solved, k, float(bounds[k]), choices[k], examples.get(k)) for k in range(len(bounds))
        ]

    def _record(
        self, batch: Batch, k: int, bound: float, choices: Tensor, example: Tensor | None
    ) -> tuple[Domain, Tensor | None]:
        left = tuple(int(c) for c in choices if c >= 0)
        if example is None and bound <= 0 and not left:
            bound, example = self._leaf(batch.take(torch.tensor([k], device=batch.image.device)))
        used = batch.splits.sign[k] != 0
        return Domain(
            int(batch.image[k]),
            int(batch.rival[k]),
            bound,
            batch.alpha[k].half(),
            tuple(batch.splits.neuron[k][used].tolist()),
            tuple(batch.splits.sign[k][used].tolist()),
            tuple(batch.beta[k][used].tolist()),
            left if bound <= 0 else (),
        ), example

    def _leaf(self, one: Batch) -> tuple[float, Tensor | None]:
        """Settle a domain without unstable neurons; bound <= 0 and no input where HiGHS could not either."""
        exact = torch.float64
        net, row, region = self.nets[exact], self._rows(one, exact)[0, 0], self.regions[exact].take(one.image)
        lines = cut(net, net.output, relax(*self._ends(one, exact)))
        found = leaf.solve(net, row, lines, region, one.splits, self._slack(one.image))
        if found.empty:
            return torch.inf, None
        bound = float(self._evaluate(replace(one, beta=found.beta), exact))
        if bound > 0 or found.x is None:
            return bound, None
        return bound, self._broken(one.image, found.x).get(0)

    def _evaluate(self, batch: Batch, dtype: torch.dtype) -> Tensor:
        """The bounds (n,) with the slopes and multipliers given."""
        line = relax(*self._ends(batch, dtype), batch.alpha[:, None].to(dtype))
        region, net = self.regions[dtype].take(batch.image), self.nets[dtype]
        beta = batch.beta.to(dtype)
        rows = self._rows(batch, dtype)
        error = self._slack(batch.image) if dtype == torch.float64 else None
        bound = value(net, net.output, rows, line, region, batch.splits, beta, error)[:, 0]
        return bound.nan_to_num(nan=-torch.inf, posinf=-torch.inf)  # overflow proves nothing

    def _slack(self, image: Tensor) -> list[Tensor] | None:
        return None if self.slack is None else [each[image] for each in self.slack]

    def _broken(self, image: Tensor, points: Tensor) -> dict[int, Tensor]:
        """Which inputs (n, *input_shape) are counter-examples for their images, by number: run in float64."""
        inside = self.regions[torch.float64].take(image)
        points = torch.minimum(torch.maximum(points.double(), inside.lower), inside.upper)
        hit = falsify.broken(self.nets[torch.float64], points, self.labels[image])
        return {int(k): points[k] for k in hit.nonzero()[:, 0]}

    def _rows(self, batch: Batch, dtype: torch.dtype) -> Tensor:
        return self.rows[dtype][batch.image, batch.rival][:, None]

    def _ends(self, batch: Batch, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        low, high = self.known[dtype]
        return clip(low[batch.image], high[batch.image], batch.splits)


def _split(parents: Batch, neuron: Tensor) -> Batch:
    """The children with neuron (n,) held at z >= 0, then those at z <= 0: 2 n domains."""

    def twice(old: Tensor, new: Tensor) -> Tensor:
        return torch.cat([torch.cat([old, old]), new[:, None]], 1)

    sign = torch.ones_like(neuron)
    both = parents.take(torch.arange(len(neuron), device=neuron.device).repeat(2))
    splits = Splits(
        twice(parents.splits.neuron, torch.cat([neuron, neuron])),
        twice(parents.splits.sign, torch.cat([sign, -sign])),
    )
    beta = twice(parents.beta, parents.beta.new_zeros(2 * len(neuron)))
    return replace(both, splits=splits, beta=beta)
