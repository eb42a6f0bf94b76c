"""Units as flat vectors: neurons layer by layer, then heads layer by layer; their groups, orders and places.

Free of torch, so the table reads scores by the same rules as the stages that prune and freeze.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from retrace.metrics.unit_groups import GROUPS, Rows, Scores, Shares, classify, ranked, sized_difference
from retrace.seeds import generator
from retrace.stage import Array, StageError

if TYPE_CHECKING:
    from retrace.llm.kernels.units import UnitScores

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Layout:
    """How units are counted: `layers` of `neurons` each, then as many layers of `heads` (0: none counted)."""

    layers: int
    neurons: int
    heads: int

    @property
    def count(self) -> int:
        """Number of units."""
        return self.layers * (self.neurons + self.heads)

    @property
    def layer(self) -> Rows:
        """Layer of every unit (N,)."""
        return self.module % self.layers

    @property
    def module(self) -> Rows:
        """Module of every unit (N,): one a layer and kind, neurons before heads."""
        sizes = [self.neurons] * self.layers + [self.heads] * self.layers
        return np.repeat(np.arange(2 * self.layers), sizes).astype(np.int64)

    def record(self) -> dict[str, int]:
        """For a stage's results."""
        return asdict(self)


def layout(net: Any, kinds: str) -> Layout:
    """The layout of a network's units; heads are counted only by "neurons+heads"."""
    config = net.config
    heads = config.num_attention_heads if kinds == "neurons+heads" else 0
    return Layout(config.num_hidden_layers, config.intermediate_size, heads)


def flat(scores: UnitScores, kinds: str, scope: str = "raw") -> Scores:
    """Scores of all units (N,), scoped as `scoped` does."""
    parts = [scores.mlp.numpy(), scores.heads.numpy()]
    (layers, neurons), heads = parts[0].shape, parts[1].shape[1]
    counted = kinds == "neurons+heads"
    values = np.concatenate([part.ravel() for part in (parts if counted else parts[:1])])
    return scoped(values, Layout(layers, neurons, heads if counted else 0), scope)


def scoped(values: Array, units: Layout, scope: str) -> Scores:
    """Scores (N,) as they are compared: "raw", or standardised in each module ("standardised", "per_module").

    A module whose scores are all alike is standardised to zeros. StageError when the scores do not fit.
    """
    wide = np.asarray(values, dtype=np.float64)
    if wide.shape != (units.count,):
        raise StageError(f"{wide.size} unit scores for a network of {units.count} units: rerun `train`")
    if scope == "raw":
        return wide
    cut = units.layers * units.neurons
    blocks = [wide[:cut].reshape(units.layers, units.neurons), wide[cut:].reshape(units.layers, units.heads)]
    return np.concatenate([_standardised(block).ravel() for block in blocks])


def _standardised(block: Scores) -> Scores:
    if block.shape[1] < 2:
        return np.zeros_like(block)
    spread = block.std(1, ddof=1, keepdims=True)
    found: Scores = (block - block.mean(1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    return found


@dataclass(frozen=True)
class Scored:
    """What groups and orders are made of: scores (N,) that can be compared, and the modules to rank within.

    `halves` (2,N): scores on two halves of the rows mixed at random, for orders that know no safety; None
    for a network that was scored again.
    """

    units: Layout
    safety: Scores
    utility: Scores
    halves: Scores | None
    within: Rows | None

    def groups(self, shares: Shares) -> Rows:
        """Group of every unit (N,), as an index into `metrics.unit_groups.GROUPS`."""
        return classify(self.safety, self.utility, shares, self.within)

    def first(self, order: str, share: float, seed: int) -> Rows:
        """The first `share` of all units in an order: a point of its pruning curve.

        Orders: "esu", "euu", "ru" of the groups; "random", drawn by seed, smaller sets within larger ones;
        "matched_<group>", drawn by seed, as many neurons and heads as that share of the group's order;
        "safety": by safety score alone; "difference": Wei et al. (2024) taken to units, see
        `sized_difference`; "shuffled": ESU of scores on rows mixed irrespective of kind.
        """
        count = round(share * self.units.count)
        if not count:
            raise StageError(f"a share of {share:g} is less than one of {self.units.count} units: raise it")
        if order == "random":
            return generator(seed, "safety", "random units").permutation(self.units.count)[:count]
        if order.startswith("matched_"):
            return matched(self.units, self.first(order.removeprefix("matched_"), share, seed), 0, seed)
        if order == "difference":
            return sized_difference(self.safety, self.utility, count)
        if order == "shuffled":
            if self.halves is None:
                raise StageError(
                    "this network has no scores on mixed rows: rank those of released or aligned"
                )
            return ranked(self.halves[0], self.halves[1], "esu", share, self.within)
        return ranked(self.safety, self.utility, order, share, self.within)


def scored(arrays: Mapping[str, Array], whose: str, units: Layout, scope: str) -> Scored:
    """The scores that a stage left of network `whose`, scoped for comparison."""
    s, u = (scoped(arrays[f"{whose}/{kind}"], units, scope) for kind in ("safety", "utility"))
    mixed = arrays.get(f"{whose}/shuffled")
    halves = None if mixed is None else np.stack([scoped(half, units, scope) for half in mixed])
    return Scored(units, s, u, halves, units.module if scope == "per_module" else None)


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
