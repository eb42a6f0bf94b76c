"""One method: a dense network, then a pruned and retrained one for each kept share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from retrace.compress.pruning.channels import Channels, cut, slim, struct_lth
from retrace.compress.pruning.hydra import hydra
from retrace.compress.pruning.importance import drawn, magnitude, sensitivity, taylor
from retrace.compress.pruning.masks import LayerLostError, Masks, full_masks, keep_as_many, keep_best
from retrace.compress.pruning.names import STRUCTURED
from retrace.compress.pruning.narrow import narrow, refilled
from retrace.compress.pruning.physical import compressed
from retrace.nets.conv_block_names import SHAPES
from retrace.nets.conv_blocks import conv_blocks, interval_aware
from retrace.seeds import derive
from retrace.studies.certification.setup import Data
from retrace.training.batches import Batch, epochs
from retrace.training.robust.layers import Layers
from retrace.training.robust.loop import apply_masks, no_denormals, train_robust
from retrace.training.robust.losses import Example, robust_loss
from retrace.training.robust.settings import RobustSettings
from retrace.training.steps import seeded

if TYPE_CHECKING:
    from retrace.studies.certification.params import Method

SCORED = 500  # training images whose loss SNIP and Taylor scores come from


@dataclass(frozen=True)
class State:
    """A trained network of a chain: the share it was to keep, its masks or None, and its losses by epoch."""

    share: float
    net: nn.Sequential
    masks: Masks | None = None
    losses: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Chain:
    """A method's states, and the shares whose networks would be constant, each with the reason."""

    states: list[State]
    left_out: list[tuple[float, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """What all methods of a cell share: network, images, seed and device, so that they can be paired."""

    network: str
    data: Data
    seed: int
    device: str

    def fresh(self, settings: RobustSettings, redrawn: bool = False) -> nn.Sequential:
        """The untrained network; with the same seed always the same one, unless `redrawn`."""
        number = derive(self.seed, "redrawn" if redrawn else "weights")
        net = conv_blocks(SHAPES[self.network], *self.data.frame, number)
        if settings.initial == "interval":
            interval_aware(net, derive(number, "interval"))
        return net.to(self.device)

    def trained(
        self, net: nn.Sequential, settings: RobustSettings, masks: Masks | None = None
    ) -> list[float]:
        """Train in place, on the same order of images for every network of a seed; mean loss by epoch."""
        x, y = self.data.x["train"], self.data.y["train"]
        return train_robust(net, x, y, settings, derive(self.seed, "order"), masks)


def run_chain(
    bench: Bench,
    method: Method,
    settings: RobustSettings,
    dense: State | None,
    masks: Sequence[State] = (),
) -> Chain:
    """The method's states: the dense one (given, or trained here) and one for each kept share.

    `masks` are the states of the method whose masks it takes, if any. A share at which a layer would be lost
    is left out, and so is one whose masks the other method lacks.
    """
    if method.pruner.startswith("narrow"):
        return Chain(_narrow(bench, method, settings))
    if dense is None:
        net = bench.fresh(settings)
        dense = State(1.0, net, losses=bench.trained(net, settings))
    if method.pruner in STRUCTURED:
        return _structured(bench, method, settings, dense)
    states, left_out = [dense], []
    given = {state.share: _taken(bench, method, state.masks) for state in masks if state.masks}
    for share in method.kept:
        if method.masks and share not in given:
            left_out.append((share, f"{method.masks} has no masks at {share:g}"))
            continue
        try:
            chosen = given.get(share) or choose(bench, method, settings, states[-1], share)
            net = _masked(bench, method, settings, dense, chosen)
        except LayerLostError as lost:
            left_out.append((share, str(lost)))
            continue
        losses = [] if method.rewind == "none" else bench.trained(net, settings, chosen)
        states.append(State(share, net.eval(), chosen, losses))
    return Chain(states, left_out)


def _taken(bench: Bench, method: Method, masks: Masks) -> Masks:
    """Another method's masks, or as many weights of each layer by lot, in the same order at each share."""
    if method.pruner != "shuffled":
        return masks
    return keep_as_many(drawn(masks, derive(bench.seed, "shuffled masks")), masks)


def _masked(
    bench: Bench, method: Method, settings: RobustSettings, dense: State, masks: Masks
) -> nn.Sequential:
    """The network that a state starts from; LayerLostError where the masks make it constant."""
    redrawn = method.rewind == "redrawn"
    net = copy.deepcopy(dense.net) if method.rewind == "none" else bench.fresh(settings, redrawn)
    apply_masks(net, masks)
    channels, size, _ = bench.data.frame
    compressed(net, channels, size)
    return net


def choose(bench: Bench, method: Method, settings: RobustSettings, last: State, share: float) -> Masks:
    """Masks that keep `share` of the convolution weights, within those of the last state."""
    masks = last.masks or full_masks(last.net)
    if method.pruner == "hydra":
        return _hydra(bench, method, settings, last.net, masks, share)
    loss = _batch_loss(bench, settings)
    scores: dict[str, Callable[[], dict[str, Tensor]]] = {
        "imp": lambda: magnitude(last.net),
        "random": lambda: drawn(masks, derive(bench.seed, "random masks")),
        "snip": lambda: sensitivity(_rewound(bench, settings, masks), loss),
        "taylor": lambda: taylor(copy.deepcopy(last.net), loss),
    }
    return keep_best(scores[method.pruner](), masks, share)


def _rewound(bench: Bench, settings: RobustSettings, masks: Masks) -> nn.Sequential:
    net = bench.fresh(settings)
    apply_masks(net, masks)
    return net


def _batch_loss(bench: Bench, settings: RobustSettings) -> Callable[[nn.Sequential], Tensor]:
    """The training loss on the first images; it moves the running statistics, so give it a copy."""
    x, y = bench.data.x["train"][:SCORED], bench.data.y["train"][:SCORED]

    def loss(net: nn.Sequential) -> Tensor:
        layers = Layers(net, batch=True, track=settings.mode == "certified")
        return robust_loss(layers, Example(x, y, settings.epsilon, _stream(bench)), settings)

    return loss


def _stream(bench: Bench) -> torch.Generator:
    return torch.Generator().manual_seed(derive(bench.seed, "scores"))


def _hydra(
    bench: Bench, method: Method, settings: RobustSettings, net: nn.Sequential, masks: Masks, share: float
) -> Masks:
    net, stream = copy.deepcopy(net), _stream(bench)
    for param in net.parameters():
        param.requires_grad_(False)

    def loss(weights: dict[str, Tensor], batch: Batch) -> Tensor:
        layers = Layers(net, weights, batch=True, track=settings.mode == "certified")
        return robust_loss(layers, Example(*batch, settings.epsilon, stream), settings)

    number = derive(bench.seed, "order")
    with seeded(number, bench.data.x["train"].device), no_denormals():
        batches = _batches(bench, settings.batch, method.score_epochs, number)
        return hydra(net, loss, batches, method.score_epochs, masks, share, method.score_rate)


def _batches(bench: Bench, size: int, count: int, seed: int) -> Iterable[list[Batch]]:
    return islice(epochs(bench.data.x["train"], bench.data.y["train"], size, seed), count)


def _structured(bench: Bench, method: Method, settings: RobustSettings, dense: State) -> Chain:
    """Channels are removed for good, so each state trains a smaller network from its first weights."""
    states, left_out, first = [dense], [], bench.fresh(settings)
    total = sum(m.num_features for m in first if isinstance(m, nn.BatchNorm2d))
    rank = {"slim": slim, "struct-lth": struct_lth}[method.pruner]
    for share in method.kept:
        left = sum(m.num_features for m in states[-1].net if isinstance(m, nn.BatchNorm2d))
        try:
            channels: Channels = rank(states[-1].net, min(1.0, share * total / left))
        except LayerLostError as lost:
            left_out.append((share, str(lost)))
            continue
        first = cut(first, channels, *bench.data.frame)
        net = copy.deepcopy(first)
        states.append(State(share, net, losses=bench.trained(net, settings)))
    return Chain(states, left_out)


def _narrow(bench: Bench, method: Method, settings: RobustSettings) -> list[State]:
    """Dense networks with as many weights as the pruned ones: no state 0."""
    full, (channels, size, classes) = SHAPES[bench.network], bench.data.frame
    states = []
    for share in method.kept:
        shape = narrow(full, channels, share)
        if method.pruner == "narrow-refilled":
            shape = refilled(shape, full, channels, share, size, classes)
        net = conv_blocks(shape, channels, size, classes, derive(bench.seed, "weights")).to(bench.device)
        if settings.initial == "interval":
            interval_aware(net, derive(bench.seed, "interval"))
        states.append(State(share, net, losses=bench.trained(net, settings)))
    return states
