"""Units as flat vectors: neurons layer by layer, then heads layer by layer; their groups, orders and places.

Free of torch, so the table reads scores by the same rules as the stages that prune and freeze.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from retrace.metrics.unit_groups import (
    GROUPS,
    Rows,
    Scores,
    Shares,
    classify,
    leading,
    ranked,
    sized_difference,
)
from retrace.seeds import generator
from retrace.stage import Array, StageError

if TYPE_CHECKING:
    from retrace.llm.kernels.units import UnitScores
    from retrace.studies.safety.params import Ranked

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Layout:
    """How units are counted: `layers` of `neurons` each, then as many layers of `heads` (0: none counted).

    `width`: channels of a head. Scores are kept of every neuron, then of every channel of attention.
    """

    layers: int
    neurons: int
    heads: int
    width: int

    @property
    def count(self) -> int:
        """Number of units."""
        return self.layers * (self.neurons + self.heads)

    @property
    def scores(self) -> int:
        """Number of scores that are kept."""
        return self.layers * (self.neurons + self.heads * self.width)

    @property
    def layer(self) -> Rows:
        """Layer of every unit (N,)."""
        return self.module % self.layers

    @property
    def module(self) -> Rows:
        """Module of every unit (N,): one a layer and kind, neurons before heads."""
        sizes = [self.neurons] * self.layers + [self.heads] * self.layers
        return np.repeat(np.arange(2 * self.layers), sizes).astype(np.int64)

    @property
    def weights(self) -> Scores:
        """Neurons that have as many weights as each unit (N,): FLAP's code counts four matrices of a head."""
        sizes = [1.0] * (self.layers * self.neurons) + [4 * self.width / 3] * (self.layers * self.heads)
        return np.array(sizes)

    def record(self) -> dict[str, int]:
        """For a stage's results."""
        return asdict(self)


def layout(net: Any, kinds: str) -> Layout:
    """The layout of a network's units; heads are counted only by "neurons+heads"."""
    config = net.config
    heads = config.num_attention_heads if kinds == "neurons+heads" else 0
    width = net.model.layers[0].self_attn.o_proj.in_features // config.num_attention_heads
    return Layout(config.num_hidden_layers, config.intermediate_size, heads, width)


def flat(scores: UnitScores, kinds: str) -> Scores:
    """The raw scores that are kept, as one vector: of all neurons, then of all channels of counted heads."""
    parts = [scores.mlp.numpy(), scores.channels.numpy()]
    return np.concatenate([part.ravel() for part in (parts if kinds == "neurons+heads" else parts[:1])])


def scoped(values: Array, units: Layout, scope: str) -> Scores:
    """Scores of units (N,) as they are compared, from those kept (see `flat`).

    "flap": as FLAP's code does (An et al. 2024, `prune_flap`, structure AL-AM): attention's are squared, all
    are standardised within their layer, those of attention channel by channel, and a head has the mean of its
    channels. Elsewhere a head has the sum of its channels: "standardised" and "per_module" standardise that
    within its layer, "raw" leaves it.
    A module whose scores are all alike is standardised to zeros. StageError when the scores do not fit.
    """
    wide = np.asarray(values, dtype=np.float64)
    if wide.shape != (units.scores,):
        raise StageError(f"{wide.size} unit scores for a network that has {units.scores}: rerun `train`")
    cut = units.layers * units.neurons
    neurons = wide[:cut].reshape(units.layers, units.neurons)
    channels = wide[cut:].reshape(units.layers, units.heads, units.width)
    if scope == "flap":
        each = _standardised(np.square(channels).reshape(units.layers, units.heads * units.width))
        blocks = [_standardised(neurons), each.reshape(channels.shape).mean(2)]
    else:
        blocks = [neurons, channels.sum(2)]
        blocks = blocks if scope == "raw" else [_standardised(block) for block in blocks]
    return np.concatenate([block.ravel() for block in blocks])


def _standardised(block: Scores) -> Scores:
    if block.shape[1] < 2:
        return np.zeros_like(block)
    spread = block.std(1, ddof=1, keepdims=True)
    found: Scores = (block - block.mean(1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    return found


@dataclass(frozen=True)
class Scored:
    """What groups and orders are made of: scores (N,) that can be compared, and the modules to rank within.

    `halves` (2,N): scores on two halves of the rows mixed at random, for orders that know no safety;
    `answers` (2,N): safety and utility scores over the tokens of answers alone; None where not made.
    `summed` (2,N): safety and utility scores of scope "standardised". `sizes` (N,): what a unit counts for in
    shares; None: all alike.
    """

    units: Layout
    safety: Scores
    utility: Scores
    halves: Scores | None
    answers: Scores | None
    summed: Scores
    within: Rows | None
    sizes: Scores | None

    def groups(self, shares: Shares) -> Rows:
        """Group of every unit (N,), as an index into `metrics.unit_groups.GROUPS`."""
        return classify(self.safety, self.utility, shares, self.within, self.sizes)

    def share(self, rows: Rows) -> float:
        """What share of all units `rows` are."""
        sizes = np.ones(self.units.count) if self.sizes is None else self.sizes
        return float(sizes[rows].sum() / sizes.sum())

    def first(self, order: str, share: float, seed: int) -> Rows:
        """The first `share` of all units in an order: a point of its pruning curve.

        Orders: "esu", "euu", "ru" of the groups; "random", drawn by seed, smaller sets within larger ones;
        "matched_<order>", drawn by seed, as many neurons and heads as that share of the order;
        "safety": by safety score alone; "difference": Wei et al. (2024) taken to units, as many as of ESU,
        see `sized_difference`; "shuffled": ESU of scores on rows mixed irrespective of kind; "answers": ESU
        of scores over the tokens of answers; "summed": RU of scope "standardised".
        """
        if not round(share * self.units.count):
            raise StageError(f"a share of {share:g} is less than one of {self.units.count} units: raise it")
        if order == "random":
            places = np.argsort(generator(seed, "safety", "random units").permutation(self.units.count))
            return leading(places.astype(np.float64), share, self.sizes)
        if order.startswith("matched_"):
            return matched(self.units, self.first(order.removeprefix("matched_"), share, seed), 0, seed)
        if order == "difference":
            count = len(self.first("esu", share, seed))
            return sized_difference(self.safety, self.utility, count)
        pairs = {
            "shuffled": (self.halves, "esu"),
            "answers": (self.answers, "esu"),
            "summed": (self.summed, "ru"),
        }
        pair, group = pairs.get(order, (np.stack([self.safety, self.utility]), order))
        if pair is None:
            raise StageError(f"this network has no scores for the order {order!r}: rank those of aligned")
        return ranked(pair[0], pair[1], group, share, self.within, self.sizes)


def scored(arrays: Mapping[str, Array], whose: str, units: Layout, ranking: Ranked) -> Scored:
    """The scores that a stage left of network `whose`, scoped for comparison as the cell says."""

    def pair(name: str) -> Scores | None:
        kept = arrays.get(f"{whose}/{name}")
        return None if kept is None else np.stack([scoped(values, units, ranking.scope) for values in kept])

    def both(scope: str) -> Scores:
        return np.stack([scoped(arrays[f"{whose}/{kind}"], units, scope) for kind in ("safety", "utility")])

    safety, utility = both(ranking.scope)
    return Scored(
        units,
        safety,
        utility,
        pair("shuffled"),
        pair("answers"),
        both("standardised"),
        units.module if ranking.scope == "per_module" else None,
        units.weights if ranking.sizes == "weights" else None,
    )


def masks(units: Layout, rows: Rows, all_heads: int) -> tuple[Flags, Flags]:
    """Which neurons (L,I) and heads (L,`all_heads`) are among the units `rows`."""
    chosen = np.zeros(units.count, dtype=bool)
    chosen[rows] = True
    cut = units.layers * units.neurons
    heads = np.zeros((units.layers, all_heads), dtype=bool)
    if units.heads:
        heads[:] = chosen[cut:].reshape(units.layers, units.heads)
    return chosen[:cut].reshape(units.layers, units.neurons), heads


def matched(units: Layout, rows: Rows, start: int, seed: int) -> Rows:
    """Random units of the layers from `start` on: of each kind as many as `rows` has there."""
    rng, neurons = generator(seed, "safety", "matched units"), units.layers * units.neurons
    numbers, upper = np.arange(units.count), units.layer >= start
    drawn = []
    for kind in (numbers < neurons, numbers >= neurons):
        among = numbers[kind & upper]
        drawn.append(rng.choice(among, np.isin(rows, among).sum(), replace=False))
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def composition(groups: Rows) -> dict[str, float]:
    """Share of all units in each group."""
    counts = np.bincount(groups, minlength=len(GROUPS)) / len(groups)
    return dict(zip(GROUPS, counts.tolist(), strict=True))
