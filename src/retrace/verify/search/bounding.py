"""Bounding and splitting of domains, many at a time, for all images at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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

REFINING = 0.25  # share of an image's seconds, where they are limited, that its hidden bounds may take


@dataclass(frozen=True)
class Batch:
    """Domains as tensors: image and rival (n,), slopes (n, hidden), splits and multipliers (n, depth)."""

    image: Tensor
    rival: Tensor
    alpha: Tensor
    splits: Splits
    beta: Tensor

    def to(self, device: str) -> Batch:
        """The same domains elsewhere."""
        splits = Splits(self.splits.neuron.to(device), self.splits.sign.to(device))
        image, rival, alpha = (part.to(device) for part in (self.image, self.rival, self.alpha))
        return Batch(image, rival, alpha, splits, self.beta.to(device))

    def take(self, index: Tensor) -> Batch:
        """The domains numbered in `index`."""
        splits, beta = self.splits.take(index), self.beta[index]
        return Batch(self.image[index], self.rival[index], self.alpha[index], splits, beta)


def gather(domains: list[Domain], open_: Sequence[Tensor], like: Tensor) -> Batch:
    """Domains of the queue as one batch where `like` (., hidden) lies, shorter split lists filled with zeros.

    `open_` are the neurons of each image whose slopes a domain keeps; those of others mean nothing.
    """
    depth, device = max(len(d.neurons) for d in domains), like.device
    slopes = torch.zeros(len(domains), like.shape[1], dtype=torch.float16, device="cpu")
    for slope, d in zip(slopes, domains, strict=True):
        slope[open_[d.image]] = d.alpha

    def padded(values: list[tuple[float, ...]], dtype: torch.dtype) -> Tensor:
        full = [[*v, *[0] * (depth - len(v))] for v in values]
        return torch.tensor(full, dtype=dtype, device=device).reshape(len(values), depth)

    return Batch(
        torch.tensor([d.image for d in domains], device=device),
        torch.tensor([d.rival for d in domains], device=device),
        slopes.to(device).float(),
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
        seconds = math.inf if limits.seconds is None else REFINING * limits.seconds
        known = alpha.preactivations(exact, inside, limits.refine, seconds)
        self.slack = slack(exact, exact.output, known, inside)
        low, high = flat(known)
        # of each image, on the host: what its domains keep slopes of; millions of domains may wait there
        self.open = [part.nonzero()[:, 0] for part in unstable(low, high).cpu()]
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
        parents = gather(domains, self.open, self.known[torch.float32][0])
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
        host = replace(solved, alpha=solved.alpha.half()).to("cpu")  # once for all: the device need not wait
        left = [tuple(c for c in row if c >= 0) for row in choices.tolist()]
        return [
            self._record(solved, host, k, bound, left[k], examples.get(k))
            for k, bound in enumerate(bounds.tolist())
        ]

    def _record(
        self, batch: Batch, host: Batch, k: int, bound: float, left: tuple[int, ...], example: Tensor | None
    ) -> tuple[Domain, Tensor | None]:
        if example is None and bound <= 0 and not left:
            bound, example = self._leaf(batch.take(torch.tensor([k], device=batch.image.device)))
        used, image = host.splits.sign[k] != 0, int(host.image[k])
        return Domain(
            image,
            int(host.rival[k]),
            bound,
            host.alpha[k][self.open[image]],
            tuple(host.splits.neuron[k][used].tolist()),
            tuple(host.splits.sign[k][used].tolist()),
            tuple(host.beta[k][used].tolist()),
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
