"""The one queue of a search: domains of all images and classes, worst bound first."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from retrace.verify.outcome import Limits, Outcome, Status


@dataclass(frozen=True)
class Domain:
    """Part of one image's box, for one margin: what is split, and where its bound stands."""

    image: int
    rival: int
    bound: float
    # of the image's unstable neurons, on the host in half precision: any slope is sound, this is only a start
    alpha: Tensor
    neurons: tuple[int, ...]
    signs: tuple[int, ...]
    beta: tuple[float, ...]
    choices: tuple[int, ...]  # neurons worth splitting, best first; none: settled or stuck


class Queue:
    """Open domains and each image's account."""

    def __init__(self, images: int, limits: Limits) -> None:
        self.limits = limits
        self.status: list[Status | None] = [None] * images
        self.examples: list[Tensor | None] = [None] * images
        self.proved = [torch.inf] * images
        self.open: list[dict[int, float]] = [{} for _ in range(images)]  # domain number -> bound
        self.stuck: list[list[float]] = [[] for _ in range(images)]
        self.domains = [0] * images
        self.seconds = [0.0] * images
        self.heap: list[tuple[float, int, Domain]] = []
        self.numbers = itertools.count()

    def settle(self, domain: Domain, example: Tensor | None) -> None:
        """Take in a bounded domain: close it, keep it open, or end its image by a counter-example."""
        image = domain.image
        if self.status[image] is not None:
            return
        if example is not None:
            self.status[image], self.examples[image] = "falsified", example
        elif domain.bound > 0:
            self.proved[image] = min(self.proved[image], domain.bound)
        elif not domain.choices:
            self.stuck[image].append(domain.bound)
        else:
            number = next(self.numbers)
            self.open[image][number] = domain.bound
            heapq.heappush(self.heap, (domain.bound, number, domain))

    def prove(self, bounds: dict[int, float]) -> None:
        """Take in bounds above 0 of margins that need no search, by image."""
        for image, bound in bounds.items():
            self.proved[image] = min(self.proved[image], bound)

    def begin(self, seconds: float) -> None:
        """Share out what the first bounds of all images cost."""
        self.seconds = [s + seconds / len(self.seconds) for s in self.seconds]

    def charge(self, images: list[int], seconds: float) -> None:
        """Share out a batch's CPU time, and two bounded children for every domain split."""
        for image in images:
            self.seconds[image] += seconds / len(images)
            self.domains[image] += 2

    def pop(self) -> list[Domain]:
        """The next batch to split, none once every image is decided or out of means."""
        batch: list[Domain] = []
        waiting: list[tuple[float, int, Domain]] = []  # their image's means are spoken for by this batch
        planned = list(self.domains)
        while self.heap and len(batch) < self.limits.batch:
            entry = heapq.heappop(self.heap)
            _, number, domain = entry
            image = domain.image
            if self.status[image] is not None:
                continue
            if self._spent(image):
                self.status[image] = "unknown"
            elif planned[image] + 2 > self.limits.domains:
                waiting.append(entry)
            else:
                planned[image] += 2
                del self.open[image][number]
                batch.append(domain)
        for entry in waiting:
            heapq.heappush(self.heap, entry)
        return batch

    def _spent(self, image: int) -> bool:
        """Whether the image's proof is out of reach: each of its open domains costs two more at least."""
        late = self.limits.seconds is not None and self.seconds[image] >= self.limits.seconds
        least = self.domains[image] + 2 * len(self.open[image])
        return late or bool(self.stuck[image]) or least > self.limits.domains

    def outcomes(self) -> list[Outcome]:
        """The verdict on every image, once nothing is left to split."""
        return [self._outcome(k) for k in range(len(self.status))]

    def _outcome(self, image: int) -> Outcome:
        standing = [*self.open[image].values(), *self.stuck[image]]
        status = self.status[image] or ("unknown" if standing else "verified")
        bound = min([self.proved[image], *standing])
        return Outcome(status, self.examples[image], bound, self.domains[image], self.seconds[image])
