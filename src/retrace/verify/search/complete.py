"""Complete verification by batched branch and bound: one queue over all images and classes."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from retrace.verify import falsify
from retrace.verify.domain import Box, ball
from retrace.verify.network import Network
from retrace.verify.outcome import Limits, Outcome
from retrace.verify.search.bounding import Search
from retrace.verify.search.queue import Queue
from retrace.verify.specification import rivals


def verify(
    net: Network, images: Tensor, labels: Tensor, epsilon: float, *, limits: Limits | None = None
) -> list[Outcome]:
    """Decide for each image (n, *input_shape) whether its L-infinity ball holds another class.

    Attack, then CROWN, then optimised slopes, then branch and bound with beta-CROWN bounds (Wang et al. 2021,
    arXiv 2103.06624) on what is left, `limits.batch` domains at a time, worst bound first. "verified" rests
    on float64 bounds of the network with the weights given, "falsified" on its float64 logits at `example`.
    Errors: ValueError as `domain.ball`, for images or labels that do not fit the network, or a network
    without ReLU.
    """
    _check(net, images, labels)
    limits = limits or Limits()
    region = ball(images.double(), epsilon)
    ends = _before(net, images.double(), labels, epsilon, limits)
    left = torch.tensor(
        [k for k, end in enumerate(ends) if end is None], dtype=torch.long, device=images.device
    )
    if len(left):
        found = _prove(net, region.take(left), labels[left], limits)
        for k, end in zip(left.tolist(), found, strict=True):
            ends[k] = end
    return [end for end in ends if end is not None]


def _check(net: Network, images: Tensor, labels: Tensor) -> None:
    if not net.relus:
        raise ValueError(
            "the network has no ReLU, so there is nothing to split: crown.margins is exact for it"
        )
    if tuple(images.shape[1:]) != net.input_shape or labels.shape != images.shape[:1]:
        raise ValueError(
            f"images of shape {tuple(images.shape)} and labels of shape {tuple(labels.shape)}: the network"
            f" takes images (n, {', '.join(map(str, net.input_shape))}) and labels (n,)"
        )
    rivals(labels, net.classes)


def _before(
    net: Network, images: Tensor, labels: Tensor, epsilon: float, limits: Limits
) -> list[Outcome | None]:
    """What needs no proof: wrong labels and images the attack breaks."""
    start, exact = time.process_time(), net.to(torch.float64)
    wrong = falsify.broken(exact, images, labels)
    attack = falsify.pgd(
        net,
        images.to(net.dtype),
        labels,
        epsilon,
        steps=limits.steps,
        restarts=limits.restarts,
        seed=limits.seed,
    )
    region = ball(images, epsilon)
    examples = torch.minimum(torch.maximum(attack.examples.double(), region.lower), region.upper)
    hit = falsify.broken(exact, examples, labels)
    each = (time.process_time() - start) / max(1, len(images))
    ends: list[Outcome | None] = []
    for k in range(len(images)):
        if wrong[k]:
            ends.append(Outcome("misclassified", None, -torch.inf, 0, each))
        elif hit[k]:
            ends.append(Outcome("falsified", examples[k], -torch.inf, 0, each))
        else:
            ends.append(None)
    return ends


def _prove(net: Network, region: Box, labels: Tensor, limits: Limits) -> list[Outcome]:
    start = time.process_time()
    search = Search(net, region, labels, limits)
    queue = Queue(len(region), limits)
    for proved, batch in search.roots():
        queue.prove(proved)
        for domain, example in search.bound(batch, limits.first) if batch else ():
            queue.settle(domain, example)
    queue.begin(time.process_time() - start)
    while domains := queue.pop():
        start = time.process_time()
        for domain, example in search.bound(search.children(domains), limits.iterations):
            queue.settle(domain, example)
        queue.charge([d.image for d in domains], time.process_time() - start)
    return queue.outcomes()
